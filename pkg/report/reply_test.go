package report_test

import (
	"reflect"
	"testing"

	"github.com/netchecker/netchecker/pkg/report"
)

func TestReplyIsReadBackWithItsDataAsItWasWritten(t *testing.T) {
	want := report.Reply{News: []report.News{
		{Topic: "mesh", Version: "17", Data: []byte(`{"peers": [ "a" ]}`)},
		{Topic: "checks", Version: "", Data: []byte(`0.50`)},
	}}
	const body = `{"news":{"mesh":{"version":"17","data":{"peers": [ "a" ]}},"checks":{"version":"","data":0.50}}}`
	if got := string(report.AppendReply([]byte("before "), &want)); got != "before "+body {
		t.Errorf("got  %s\nwant before %s", got, body)
	}
	got, err := report.DecodeReply([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v\nwant %#v", got, want)
	}
}

func TestReplyWithoutNewsHasNoBytes(t *testing.T) {
	if got := report.AppendReply(nil, &report.Reply{}); len(got) != 0 {
		t.Errorf("got %s", got)
	}
	got, err := report.DecodeReply(nil)
	if err != nil || got.News != nil {
		t.Errorf("got %#v, %v", got, err)
	}
}
