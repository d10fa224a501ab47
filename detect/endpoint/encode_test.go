package endpoint

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/authtap/authtap/detect/credential"
)

// wise is a Map that knows something of everything.
func wise() *Map {
	m := NewMap(Options{Declared: []*Declared{{Path: "/declared/{x}", Pin: &Pin{Requires: Required}}}})
	ask := func(path, operation string, status uint16, a Answer, creds ...credential.Credential) {
		a.Status = status
		e, _ := m.Find(&Request{Host: "api", Method: "GET", Path: path, Operation: operation, Client: alice, Status: status}, start)
		e.Learn(&a, creds, false, start)
	}
	for i := range 5 {
		ask(fmt.Sprint("/users/", i, "/x"), "", 200, answer(200, 7), token)
		ask("/users/1/x", "", 401, answer(401, 9))
		ask("/graphql", "query me", 200, Answer{Shape: 3, Code: 9, Type: 5}, session)
		ask("/moved", "", 302, Answer{Location: 77, Shape: 1}, token)
		ask("/declared/a", "", 200, answer(200, 8), token)
	}
	for i := range 80 {
		ask(fmt.Sprintf("/shop/item-%c%c", 'a'+i%26, 'a'+i/26), "", 200, answer(200, 5), token)
	}
	for range 20 {
		ask("/users/me", "", 200, answer(200, 6), token)
	}
	e, _ := m.Find(&Request{Host: "api", Method: "POST", Path: "/login", Client: alice, Status: 200}, start)
	no, ok := Answer{Status: 200, Shape: 1, Marks: Soft, Cookies: [2]uint32{3}}, Answer{Status: 200, Shape: 2, Marks: IssuesToken}
	e.Learn(&no, nil, false, start)
	e.LearnLogin(&no, login(1, 1), LoginFailure, start)
	e.LearnLogin(&ok, login(1, 2), LoginSuccess, start)
	return m
}

func TestLearnedIsKept(t *testing.T) {
	saved := wise().Save(start)
	if !bytes.Equal(saved, wise().Save(start)) {
		t.Fatal("the same knowledge is other bytes")
	}
	m := NewMap(wise().o)
	if err := m.Load(saved); err != nil {
		t.Fatal(err)
	}
	if again := m.Save(start); !bytes.Equal(again, saved) {
		t.Error("what was loaded is saved otherwise")
	}
	if s := m.Stats(); s.Restored != 7 || s.Endpoints != 7 || s.Hosts != 1 {
		t.Errorf("stats %+v", s)
	}
	now := start.Add(time.Hour)
	e, template := find(m, "api", "GET", "/users/99/x", bob, 200)
	if v := judged(e, answer(200, 7), now); v != Accepted || template != "/users/{id}/x" {
		t.Errorf("%s: %v", template, v)
	}
	if _, template := find(m, "api", "GET", "/shop/never-seen", bob, 404); template != "/shop/{any}" {
		t.Errorf("template %s", template)
	}
	if e, template := find(m, "api", "GET", "/declared/b", bob, 200); template != "/declared/{x}" || e.pin == nil || e.letIn() != 5 {
		t.Errorf("%s: pinned %v, let in %d", template, e.pin != nil, e.letIn())
	}
	e, _ = m.Find(&Request{Host: "api", Method: "POST", Path: "/login", Client: bob, Status: 200}, now)
	cookie, shape := Answer{Status: 200, Shape: 1, Cookies: [2]uint32{3}}, Answer{Status: 200, Shape: 2}
	if o := e.Login(&cookie, login(1, 1), now); o != LoginUnclear {
		t.Errorf("a cookie that failures set: %v", o)
	}
	if o := e.Login(&shape, login(1, 1), now); o != LoginSuccess {
		t.Errorf("the shape of a success: %v", o)
	}
	// What is known already is added to.
	if err := m.Load(saved); err != nil {
		t.Fatal(err)
	}
	if e, _ := find(m, "api", "GET", "/users/99/x", bob, 200); e.sum[Good][Success] != 10 {
		t.Errorf("%d answers, want 10", e.sum[Good][Success])
	}
	// What is old is not kept, nor does it count.
	if later := wise().Save(start.Add(8 * 24 * time.Hour)); len(later) >= len(saved)/2 {
		t.Errorf("%d bytes of %d after eight days", len(later), len(saved))
	}
	if e, _ := find(m, "api", "GET", "/users/99/x", bob, 200); e.Discriminates(start.Add(8 * 24 * time.Hour)) {
		t.Error("what was loaded counts for ever")
	}
}

func TestLoadIsBounded(t *testing.T) {
	m := NewMap(Options{Templates: 3})
	if err := m.Load(wise().Save(start)); err != nil {
		t.Fatal(err)
	}
	if s := m.Stats(); s.Templates != 3 || s.TemplatesFull == 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestLoadRefuses(t *testing.T) {
	saved := wise().Save(start)
	sealed := func(b []byte) []byte {
		sum := sha256.Sum256(b)
		return append(bytes.Clone(b), sum[:]...)
	}
	changed := bytes.Clone(saved)
	changed[len(changed)/2] ^= 1
	for name, b := range map[string][]byte{
		"nothing": nil, "something else": []byte("hello, world: this is another file"), "another version": append([]byte("authtap learned 9\n"), saved[len(encoding):]...),
		"cut": saved[:len(saved)-10], "cut short": saved[:20], "changed": changed, "cut, with a checksum": sealed(saved[:len(saved)/2]),
		"too large": make([]byte, MaxEncoded+1), "a huge count": sealed([]byte(encoding + "\xff\xff\xff\xff\xff\xff\xff\x7f")),
		"more behind it": sealed([]byte(encoding + "\x00\x00")),
	} {
		m := NewMap(Options{})
		if err := m.Load(b); !errors.Is(err, ErrEncoding) {
			t.Errorf("%s: %v", name, err)
		}
		if s := m.Stats(); s.Hosts+s.Endpoints != 0 {
			t.Errorf("%s: something was learned: %+v", name, s)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(wise().Save(start)[len(encoding):])
	f.Fuzz(func(t *testing.T, b []byte) {
		b = append([]byte(encoding), b...)
		sum := sha256.Sum256(b)
		m := NewMap(Options{})
		if m.Load(append(b, sum[:]...)) != nil {
			return
		}
		saved := m.Save(start)
		again := NewMap(Options{})
		if err := again.Load(saved); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again.Save(start), saved) {
			t.Error("what was loaded is saved otherwise")
		}
	})
}

func BenchmarkSave(b *testing.B) {
	m := wise()
	for b.Loop() {
		m.Save(start)
	}
}
