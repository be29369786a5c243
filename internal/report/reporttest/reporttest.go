// Package reporttest holds pages to what every report promises.
package reporttest

import (
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// loaders are elements that run or load something, or send the reader elsewhere.
var loaders = []string{"script", "link", "iframe", "object", "embed", "base", "form", "a", "video", "audio", "foreignObject"}

// addresses are attributes that make a browser load something.
var addresses = []string{"src", "href", "srcset", "data", "poster", "background", "action"}

// Check wants a page to be well formed, and nothing in it to run, or to make a browser load what is
// not in the page.
func Check(t *testing.T, page string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	var open []string
	for {
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the page is not well formed: %v", err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			checkElement(t, e)
			if name := e.Name.Local; name != "meta" && name != "img" { // which nobody closes
				open = append(open, name)
			}
		case xml.EndElement:
			if len(open) == 0 || open[len(open)-1] != e.Name.Local {
				t.Fatalf("</%s> closes %v", e.Name.Local, open)
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		t.Errorf("%v are never closed", open)
	}
	if regexp.MustCompile(`(?i)url\(|@import`).MatchString(page) {
		t.Error("a style loads something")
	}
}

func checkElement(t *testing.T, e xml.StartElement) {
	t.Helper()
	if slices.Contains(loaders, e.Name.Local) {
		t.Errorf("the page has a <%s>", e.Name.Local)
	}
	for _, a := range e.Attr {
		name := a.Name.Local
		if strings.HasPrefix(name, "on") {
			t.Errorf("<%s> has %s", e.Name.Local, name)
		}
		if slices.Contains(addresses, name) && !strings.HasPrefix(a.Value, "data:image/png;base64,") {
			t.Errorf("<%s %s> is %q", e.Name.Local, name, a.Value)
		}
	}
}
