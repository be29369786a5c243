package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"lfm/internal/report"
	"lfm/pipeline"
	"lfm/stages/autoencoder"
	"lfm/stages/decode"
)

const (
	webRefresh     = 3 * time.Second // how often a browser asks
	webConnections = 16              // at once; the next ones wait
	webPicture     = 8 << 20         // bytes of the longest picture that is shown
)

// web shows the report of a run while it goes on. It reads the run's record as any other program
// could, and changes nothing.
type web struct {
	here *here
	host string // by which it may be called, beside localhost and numbers

	mu    sync.Mutex
	run   string // its ID; "" until it begins
	state string // instead of a run's, as long as there is none
	over  bool
	asked time.Time // for the page
	page  []byte
	made  time.Time
}

// serve shows a run at an address until end is called, "" for none. listening must be told the run's events.
func (a *app) serve(ctx context.Context, h *here, address string, listen pipeline.Listener) (listening pipeline.Listener, end func(), err error) {
	if address == "" {
		return listen, func() {}, nil
	}
	host, port, err := webAddress(address)
	if err != nil {
		return nil, nil, err
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, nil, fmt.Errorf("--web %s: %w; choose another port, or :0 for any that is free", address, err)
	}
	w := &web{here: h, host: host, state: "starting"}
	server := &http.Server{Handler: w, ReadTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 10 * time.Second,
		MaxHeaderBytes: 8 << 10, ErrorLog: log.New(noted(a.notef), "", 0)}
	go server.Serve(&limited{Listener: l, free: make(chan struct{}, webConnections)}) // ends with Close
	a.notef("how the run goes: http://%s/", net.JoinHostPort(host, strconv.Itoa(l.Addr().(*net.TCPAddr).Port)))
	return w.listen(listen), func() {
		w.finish(ctx)
		server.Close()
	}, nil
}

// noted is a writer that notes each write.
type noted func(format string, args ...any)

func (n noted) Write(text []byte) (int, error) {
	n("the page of the run: %s", text)
	return len(text), nil
}

// webAddress takes apart what --web says: PORT, :PORT or HOST:PORT. The host is localhost where none is named.
func webAddress(address string) (host, port string, err error) {
	host, port, err = net.SplitHostPort(address)
	if err != nil {
		host, port, err = "", address, nil
	}
	if host == "" {
		host = "localhost"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", "", usagef("--web %s: want a port, 0 to 65535, or HOST:PORT", address)
	} else {
		port = strconv.FormatUint(n, 10)
	}
	return host, port, nil
}

// listen is a listener that passes everything on and notes which run it is.
func (w *web) listen(to pipeline.Listener) pipeline.Listener {
	return func(e pipeline.Event) {
		if e.Event == pipeline.RunStarted {
			w.mu.Lock()
			w.run, w.state = e.RunID, "not recorded: the store can only be read"
			w.mu.Unlock()
		}
		to(e)
	}
}

// finish says that the run is over. Who is looking gets to see it: their browsers ask once more.
func (w *web) finish(ctx context.Context) {
	w.mu.Lock()
	w.over, w.page = true, nil
	watched := time.Since(w.asked) < 2*webRefresh
	w.mu.Unlock()
	if watched {
		select {
		case <-time.After(webRefresh + time.Second):
		case <-ctx.Done():
		}
	}
}

// ServeHTTP answers GET and HEAD for the page. It answers to numbers, to localhost and to the host that --web
// named alone: a name that somebody else's server gives this address would let their page read ours.
func (w *web) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	header := out.Header()
	header.Set("Content-Security-Policy", "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Cache-Control", "no-store")
	switch {
	case !w.answersTo(r.Host):
		http.Error(out, "This page answers to localhost, to addresses in numbers, and to the host that lfm run --web HOST:PORT names.", http.StatusMisdirectedRequest)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		header.Set("Allow", "GET, HEAD")
		http.Error(out, "This page can only be read.", http.StatusMethodNotAllowed)
		return
	case r.URL.Path != "/":
		http.NotFound(out, r)
		return
	}
	page, err := w.current()
	if err != nil {
		header.Set("Refresh", strconv.Itoa(int(webRefresh.Seconds()))) // it may be readable then
		http.Error(out, "The run's record cannot be read: "+err.Error(), http.StatusInternalServerError)
		return
	}
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Length", strconv.Itoa(len(page)))
	if r.Method == http.MethodGet {
		out.Write(page) // a browser that is gone needs no page
	}
}

// answersTo says whether a Host header names this server in a way that nobody else can make their own.
func (w *web) answersTo(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	return strings.EqualFold(host, "localhost") || strings.EqualFold(host, w.host)
}

// current is the page. It is made at most once a second, however many ask.
func (w *web) current() ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = time.Now()
	if w.page != nil && (w.over || time.Since(w.made) < time.Second) {
		return w.page, nil
	}
	p := &report.Page{Made: madeBy(time.Now()), Refresh: webRefresh}
	if w.over {
		p.Refresh = 0
		p.Made += "; the run is over, and lfm report shows more"
	}
	if w.run == "" {
		p.Runs = []report.Run{{Name: w.here.graph.Name, State: w.state}}
	} else {
		s, err := newSubject(w.here.store, w.run)
		if err != nil {
			return nil, err
		}
		t := s.tell()
		t.soFar()
		p.Runs = []report.Run{t.run}
	}
	var page bytes.Buffer
	if err := p.Write(&page); err != nil {
		return nil, err
	}
	w.page, w.made = page.Bytes(), time.Now()
	return w.page, nil
}

// soFar shows the pictures that a run has made until now, and says of nothing that it is left out: it may come.
func (t *told) soFar() {
	var exhibits []report.Exhibit
	show := func(title string, png []byte, err error) {
		if err == nil && bytes.HasPrefix(png, []byte("\x89PNG")) {
			exhibits = append(exhibits, report.Exhibit{Title: title, Gallery: &report.Gallery{
				Rows: []report.Strip{{Pictures: []report.Picture{{PNG: png, Title: title, Large: true}}}}}})
		}
	}
	for _, m := range t.finished(decode.Name) {
		png, err := readPicture(m.Path(decode.GridFile))
		show(m.Name+": samples", png, err)
	}
	for _, e := range t.previews {
		png, err := readPicture(e.Path)
		show(e.Stage+": "+strings.TrimSuffix(filepath.Base(e.Path), ".png"), png, err)
	}
	for _, m := range t.finished(autoencoder.Name) {
		png, err := readPicture(m.Path("reconstructions.png"))
		show(m.Name+": reconstructions", png, err)
	}
	if len(exhibits) > 0 {
		t.run.Sections = append([]report.Section{{Title: "Pictures", Exhibits: exhibits}}, t.run.Sections...)
	}
	t.run.LeftOut = nil
}

// readPicture reads a file that is no longer than webPicture.
func readPicture(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, webPicture+1))
	if err == nil && len(data) > webPicture {
		err = fmt.Errorf("%s is longer than %d bytes", path, webPicture)
	}
	return data, err
}

// limited accepts so many connections at once as free has room for.
type limited struct {
	net.Listener
	free chan struct{}
}

func (l *limited) Accept() (net.Conn, error) {
	l.free <- struct{}{}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.free
		return nil, err
	}
	return &counted{Conn: c, done: sync.OnceFunc(func() { <-l.free })}, nil
}

// counted is a connection that makes room when it is closed.
type counted struct {
	net.Conn
	done func()
}

func (c *counted) Close() error {
	defer c.done()
	return c.Conn.Close()
}
