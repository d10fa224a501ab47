package main

import (
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/cmd/authtap/internal/pipeline"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/reassembly/decode"
	"github.com/authtap/authtap/store"
)

// heartbeatEvery is how often a live sensor says that it lives.
const heartbeatEvery = time.Minute

// pulse gives the function that sends a heartbeat with all counters.
func (p *program) pulse(o detect.Options, d *delivery) func(pipeline.Stats, detect.Stats) {
	started := detect.Timestamp(capture.TimeOf(time.Now()))
	// A keyed hash as any, of a name that no account has.
	key := credential.NewFinder(credential.Options{Key: o.Key}).PrincipalID("\x00fingerprint of the key").String()
	return func(read pipeline.Stats, judged detect.Stats) {
		all := map[string]uint64{}
		counters(all, "", reflect.ValueOf(read))
		counters(all, "engine", reflect.ValueOf(judged))
		counters(all, "batcher", reflect.ValueOf(d.batcher.Stats()))
		if d.spool != nil {
			counters(all, "spool", reflect.ValueOf(d.spool.Stats()))
			counters(all, "sender", reflect.ValueOf(d.sender.Stats()))
		}
		// That the queue is full is counted; a heartbeat is no reason to end.
		_ = d.batcher.Heartbeat(store.Heartbeat{
			Sensor: o.Sensor, Time: detect.Timestamp(capture.TimeOf(time.Now())), Started: started,
			Version: buildVersion(), Key: key, Counters: all,
		})
	}
}

// counters adds the numbers of statistics to all, by the names of their
// fields; those that are zero are left out.
func counters(all map[string]uint64, name string, v reflect.Value) {
	below := func(field string) string { return strings.TrimPrefix(name+"."+field, ".") }
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			switch f := v.Type().Field(i); {
			case f.Anonymous:
				counters(all, name, v.Field(i))
			case f.IsExported():
				counters(all, below(snake(f.Name)), v.Field(i))
			}
		}
	case reflect.Array:
		for i := range v.Len() {
			if v.Type() == reflect.TypeFor[[decode.Reasons]uint64]() {
				counters(all, below(strings.ReplaceAll(decode.Reason(i).String(), " ", "_")), v.Index(i))
				continue
			}
			counters(all, below(strconv.Itoa(i)), v.Index(i))
		}
	case reflect.Map:
		if v.Type().Key().Kind() != reflect.String {
			return // by what traffic names, not by what the program does
		}
		for _, k := range v.MapKeys() {
			counters(all, below(k.String()), v.MapIndex(k))
		}
	case reflect.Uint64, reflect.Uint32:
		if n := v.Uint(); n > 0 {
			all[name] = n
		}
	case reflect.Int, reflect.Int64:
		if n := v.Int(); n > 0 {
			all[name] = uint64(n)
		}
	}
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
