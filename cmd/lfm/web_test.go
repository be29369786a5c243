package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"lfm/internal/report/reporttest"
	"lfm/pipeline"
)

// TestWebAnswers: the page of a run is read by GET and HEAD, at its one address, by whoever calls
// the server by a name that cannot be somebody else's; and that is all.
func TestWebAnswers(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.tiny()
	p.run("run")
	a := &app{streams: streams{Out: io.Discard, Err: io.Discard}}
	h, err := a.open(filepath.Join(p.dir, defaultFile), toRun)
	if err != nil {
		t.Fatal(err)
	}
	w := &web{here: h, host: "gpu7", state: "starting"}
	ask := func(method, host, path string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, nil)
		r.Host = host
		out := httptest.NewRecorder()
		w.ServeHTTP(out, r)
		return out
	}
	if got := ask("GET", "localhost", "/"); got.Code != http.StatusOK || !strings.Contains(got.Body.String(), "starting") {
		t.Errorf("before the run begins: %d %s", got.Code, got.Body)
	}
	w.listen(func(pipeline.Event) {})(pipeline.Event{Event: pipeline.RunStarted}) // without an ID
	w.page = nil
	if got := ask("GET", "localhost", "/"); got.Code != http.StatusOK || !strings.Contains(got.Body.String(), "can only be read") {
		t.Errorf("where there is no record: %d %s", got.Code, got.Body)
	}
	w.run = "20260101T000000Z-0000"
	w.page = nil
	if got := ask("GET", "localhost", "/"); got.Code != http.StatusInternalServerError || got.Header().Get("Refresh") != "3" {
		t.Errorf("where the record cannot be read: %d %v", got.Code, got.Header())
	}
	w = &web{here: h, host: "gpu7", run: pipeline.LastRecord(h.store, h.graph.Path).ID}
	for _, c := range []struct {
		method, host, path string
		want               int
	}{
		{"GET", "localhost:8080", "/", 200}, {"HEAD", "localhost:8080", "/", 200}, {"GET", "LOCALHOST", "/", 200}, {"GET", "127.0.0.1:8080", "/", 200},
		{"GET", "[::1]:8080", "/", 200}, {"GET", "[::1]", "/", 200}, {"GET", "10.1.2.3:80", "/", 200}, {"GET", "gpu7:8080", "/", 200}, {"GET", "localhost", "/?x=1", 200},
		{"GET", "evil.test", "/", 421}, {"GET", "evil.test:8080", "/", 421}, {"GET", "127.0.0.1.evil.test", "/", 421}, {"GET", "localhost.evil.test", "/", 421},
		{"GET", "", "/", 421}, {"GET", "gpu7.evil.test", "/", 421}, {"POST", "evil.test", "/", 421},
		{"POST", "localhost", "/", 405}, {"PUT", "localhost", "/", 405}, {"DELETE", "localhost", "/", 405}, {"OPTIONS", "localhost", "/", 405}, {"TRACE", "localhost", "/", 405},
		{"GET", "localhost", "/run.json", 404}, {"GET", "localhost", "/../pipeline.yaml", 404}, {"GET", "localhost", "/pipeline.yaml", 404}, {"GET", "localhost", "//", 404},
	} {
		got := ask(c.method, c.host, c.path)
		if got.Code != c.want {
			t.Errorf("%s %s of %q: %d, want %d", c.method, c.path, c.host, got.Code, c.want)
		}
		if csp := got.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || got.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s %s of %q: headers %v", c.method, c.path, c.host, got.Header())
		}
		if c.want != 200 && strings.Contains(got.Body.String(), "autoencoder") {
			t.Errorf("%s %s of %q tells of the run", c.method, c.path, c.host)
		}
	}
	page := ask("GET", "localhost", "/").Body.String()
	reporttest.Check(t, page)
	for _, want := range []string{`http-equiv="refresh"`, "decode: samples", "autoencoder: reconstructions", "flow: loss"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	if head := ask("HEAD", "localhost", "/"); head.Body.Len() > 0 || head.Header().Get("Content-Length") != strconv.Itoa(len(page)) {
		t.Errorf("HEAD has %d bytes, and speaks of %s, not of %d", head.Body.Len(), head.Header().Get("Content-Length"), len(page))
	}
	w.asked = time.Time{} // nobody looks: finish waits for none
	w.finish(t.Context())
	if page := ask("GET", "localhost", "/").Body.String(); strings.Contains(page, `http-equiv="refresh"`) {
		t.Error("the page of a run that is over refreshes itself")
	}
}

// TestWebWhileItRuns: the page shows how far a stage is and its loss so far while it learns, and the
// server ends with the run.
func TestWebWhileItRuns(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.tiny()
	var address, page string
	a := p.try(func(e pipeline.Event) os.Signal {
		if at := strings.Index(e.Message, "http://"); e.Event == eventNotice && at >= 0 {
			address = e.Message[at:]
		}
		if e.Event != pipeline.StageProgress || e.Stage != "autoencoder" || e.Step < 3 {
			return nil
		}
		if page = get(t, address); !strings.Contains(page, "autoencoder: loss") {
			return nil // the record has no loss yet
		}
		return os.Interrupt
	}, "run", "--web", "127.0.0.1:0", "--set", "stages.autoencoder.with.steps=1000000")
	if a.code != exitInterrupted {
		t.Fatalf("exit code %d, want %d\n%s", a.code, exitInterrupted, a.messages())
	}
	reporttest.Check(t, page)
	for _, want := range []string{`class="state running"`, `class="done"`, "/1000000", `class="state waiting"`, "decode needs flow"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	if r, err := http.Get(address); err == nil {
		r.Body.Close()
		t.Errorf("%s answers after the run", address)
	}
}

func get(t *testing.T, address string) string {
	t.Helper()
	r, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v\n%s", address, r.Status, err, body)
	}
	return string(body)
}

// TestWebAddress: without a host it is this machine alone.
func TestWebAddress(t *testing.T) {
	for address, want := range map[string]string{
		"8080": "localhost 8080", ":8080": "localhost 8080", ":0": "localhost 0", "localhost:1": "localhost 1",
		"0.0.0.0:8080": "0.0.0.0 8080", "[::1]:8080": "::1 8080", "gpu7:8080": "gpu7 8080",
	} {
		if host, port, err := webAddress(address); err != nil || host+" "+port != want {
			t.Errorf("%s is %s %s, %v; want %s", address, host, port, err, want)
		}
	}
	for _, address := range []string{"localhost", "localhost:", ":http", "65536", "-1", "::1", "http://localhost:80"} {
		if host, port, err := webAddress(address); err == nil {
			t.Errorf("%s is taken for %s %s", address, host, port)
		}
	}
}

// TestLimited: a connection beyond the bound is accepted when another is closed, and closing one twice
// makes room for one.
func TestLimited(t *testing.T) {
	t.Parallel()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	l := &limited{Listener: inner, free: make(chan struct{}, 1)}
	for range 3 {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	accepted := make(chan net.Conn)
	go func() {
		for range 3 {
			c, err := l.Accept()
			if err != nil {
				t.Error(err)
				close(accepted)
				return
			}
			accepted <- c
		}
	}()
	for range 3 {
		c, ok := <-accepted
		if !ok {
			return
		}
		if len(l.free) != 1 {
			t.Errorf("%d connections are counted, want 1", len(l.free))
		}
		c.Close()
		c.Close()
	}
}
