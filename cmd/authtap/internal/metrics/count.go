// Package metrics tells what the packages count: as numbers with names, to
// Prometheus, and whether the program is well.
//
// Contract: what is told follows from the fields of the packages' statistics, so
// that a new one is told without more. Names and labels come from the program
// and its configuration, never from traffic. A server answers on the address it
// is told to, and knows of nothing but the numbers it is given.
package metrics

import (
	"cmp"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/decode"
)

// Count is one number of statistics.
type Count struct {
	// Name is made of the fields' names: "streams.reassembly.gap".
	Name string
	// Label and Value tell apart the counts of one name, such as the reasons for
	// packets that are not decoded; empty where there is one only.
	Label, Value string
	// path is the name with the value in its place.
	path   string
	Number uint64
	// Level says that the number may fall: how much there is now.
	Level bool
}

// Path is the name with the label's value in it:
// "decode.packets.not_ours".
func (c *Count) Path() string { return c.path }

// Of gives the counts of statistics: a struct of numbers, structs, arrays, maps
// with names as keys, and pointers to structs, which may be nil. They come in
// the order of the fields. Signed numbers are levels, as well as those of
// levels below.
func Of(statistics any) []Count {
	var all []Count
	walk(&all, Count{}, reflect.ValueOf(statistics))
	return all
}

// levels are unsigned numbers that may fall.
var levels = map[string]bool{
	"batcher.waiting": true, "spool.waiting": true, "spool.unclosed": true, "sender.preparing": true,
	"engine.windows.keys": true, "engine.windows.bytes": true, "engine.window_bytes": true, "source.bytes_expected": true,
}

// arrays are the fields that count by kind, and how the kinds are called.
var arrays = map[string]struct {
	label string
	name  func(int) string
}{
	"decode.packets":           {"reason", func(i int) string { return decode.Reason(i).String() }},
	"decode.tunnels":           {"tunnel", func(i int) string { return reassembly.Tunnel(i).String() }},
	"streams.reassembly.ended": {"end", func(i int) string { return reassembly.End(i).String() }},
}

func walk(all *[]Count, at Count, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			walk(all, at, v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			switch f := v.Type().Field(i); {
			case f.Anonymous:
				walk(all, at, v.Field(i))
			case f.IsExported():
				walk(all, at.below(snake(f.Name)), v.Field(i))
			}
		}
	case reflect.Array:
		kinds, ok := arrays[at.Name]
		if !ok {
			kinds.label, kinds.name = "index", strconv.Itoa
		}
		for i := range v.Len() {
			name := cmp.Or(kinds.name(i), strconv.Itoa(i))
			walk(all, at.of(kinds.label, strings.ReplaceAll(name, " ", "_")), v.Index(i))
		}
	case reflect.Map:
		if v.Type().Key().Kind() != reflect.String {
			return // by what traffic names, not by what the program does
		}
		// Its keys are names of the one thing that the map counts.
		label := strings.TrimSuffix(at.Name[strings.LastIndexByte(at.Name, '.')+1:], "s")
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, k := range keys {
			walk(all, at.of(label, k.String()), v.MapIndex(k))
		}
	case reflect.Uint64, reflect.Uint32:
		at.Number, at.Level = v.Uint(), levels[at.Name]
		*all = append(*all, at)
	case reflect.Int, reflect.Int64:
		at.Number, at.Level = uint64(max(v.Int(), 0)), true
		*all = append(*all, at)
	}
}

// below is the place of a field.
func (c Count) below(field string) Count {
	c.Name = strings.TrimPrefix(c.Name+"."+field, ".")
	c.path = strings.TrimPrefix(c.path+"."+field, ".")
	return c
}

// of is the place of one of several of the same name.
func (c Count) of(label, value string) Count {
	c.Label, c.Value = label, strings.ToValidUTF8(value, "\ufffd")
	c.path += "." + c.Value
	return c
}

// snake writes GoName as go_name.
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 && !unicode.IsUpper(rune(name[i-1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
