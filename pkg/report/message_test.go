package report_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

func fullMessage() report.Message {
	return report.Message{
		PodName: "netchecker-agent-x", NodeName: "n1", Namespace: "kube-system",
		UID: "2a9a1c6e-95f5-4cb4-a4f5-0f6a8f2f9d11", BootID: "00c0ffee00c0ffee",
		Clock: 90 * time.Second, Number: 7, Body: []byte(`{"open":[1, 2.50]}`),
	}
}

func TestMessageIsReadBackWithItsBodyAsItWasWritten(t *testing.T) {
	want := fullMessage()
	const body = `{"podname":"netchecker-agent-x","nodename":"n1","namespace":"kube-system","pod_uid":"2a9a1c6e-95f5-4cb4-a4f5-0f6a8f2f9d11",` +
		`"boot_id":"00c0ffee00c0ffee","clock_ms":90000,"number":7,"body":{"open":[1, 2.50]}}`
	if got := string(report.AppendMessage([]byte("before "), &want)); got != "before "+body {
		t.Errorf("got  %s\nwant before %s", got, body)
	}
	got, err := report.DecodeMessage([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v\nwant %#v", got, want)
	}
	if err := got.Validate(); err != nil {
		t.Error(err)
	}
}
