package disruption

import (
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/netchecker/netchecker/pkg/backend"
	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/test/certtest"
)

func TestATokenIsReadForEachRequestAndToldToNobodyElse(t *testing.T) {
	ca, err := certtest.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Server("site")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.LoadX509KeyPair(pair.CertFile, pair.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	others, own := &notes{all: map[string]http.Header{}}, &notes{all: map[string]http.Header{}}
	other := httptest.NewServer(others)
	defer other.Close()
	site := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		own.ServeHTTP(w, r)
		if r.URL.Path == "/away" {
			http.Redirect(w, r, other.URL+"/stranger", http.StatusFound)
		}
	}))
	site.Config.ErrorLog = log.New(io.Discard, "", 0)
	site.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	site.StartTLS()
	defer site.Close()

	dir, p := t.TempDir(), here()
	p.Read = Folder(dir)
	write := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("ca.crt", ca.PEM)
	b := backend.Backend{URL: site.URL + "/here", CA: "ca.crt", Token: "token", Headers: map[string]string{"X-Key": "k"}}
	for _, token := range []string{"first", "second"} {
		write("token", []byte(token+"\n"))
		if o := asked(t, b, p); o.level != report.Info || own.all["/here"].Get("Authorization") != "Bearer "+token {
			t.Errorf("%+v, with %v", o, own.all["/here"])
		}
	}
	b.URL = site.URL + "/away"
	o := asked(t, b, p)
	h := others.all["/stranger"]
	if o.level != report.Info || h == nil || h.Get("Authorization") != "" || h.Get("X-Key") != "" {
		t.Errorf("%+v; others are told %v", o, h)
	}
	for content, want := range map[string]string{"": "reading the token: token has none", "a\nb": "reading the token: token has none"} {
		write("token", []byte(content))
		if o := asked(t, b, p); o.level != report.Warning || o.message != want {
			t.Errorf("%q: %+v, want %s", content, o, want)
		}
	}
	write("ca.crt", []byte("nothing"))
	write("token", []byte("t"))
	if o := asked(t, b, p); o.level != report.Warning || o.message != "reading the CA: ca.crt: it has no certificate of an authority" {
		t.Errorf("%+v", o)
	}
	b.CA = ""
	if o := asked(t, b, p); o.level != report.Error || o.message != "TLS: the certificate is signed by an unknown authority" {
		t.Errorf("%+v", o)
	}
}

func TestFilesAreReadWithinTheirFolderOnly(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "secret")
	for _, err := range []error{
		os.WriteFile(outside, []byte("s"), 0o600),
		os.Symlink(outside, filepath.Join(dir, "out")),
		os.Mkdir(filepath.Join(dir, "..data"), 0o700),
		os.WriteFile(filepath.Join(dir, "..data", "token"), []byte("t"), 0o600),
		os.Symlink("..data/token", filepath.Join(dir, "token")), // as Kubernetes projects
		os.WriteFile(filepath.Join(dir, "huge"), make([]byte, maxFile+1), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	read := Folder(dir)
	if data, err := read("token"); err != nil || string(data) != "t" {
		t.Errorf("got %q, %v", data, err)
	}
	for _, name := range []string{"out", "../" + filepath.Base(dir) + "/token", "huge", "missing"} {
		if data, err := read(name); err == nil {
			t.Errorf("%s: %d bytes were read", name, len(data))
		}
	}
}
