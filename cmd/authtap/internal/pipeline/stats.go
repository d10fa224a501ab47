package pipeline

import (
	"fmt"
	"reflect"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/reassembly/coverage"
	"github.com/authtap/authtap/reassembly/decode"
)

// Stats counts what was done, from the source to the parsers.
type Stats struct {
	ReaderStats
	Streams StreamStats
	// Coverage of conversations that are over, and of exchanges handed on.
	Coverage coverage.Table
}

// ReaderStats counts what was done before the shards.
type ReaderStats struct {
	Source capture.Stats
	Decode decode.Stats
	// Backward packets were older than the one before them in the same input,
	// as one source gave it; Leaps were more than a day ahead of the clock.
	Backward, Leaps uint64
	// Filtered segments were left out by Options.Filter.
	Filtered uint64
}

// add adds the counts of another shard.
func (s *StreamStats) add(t *StreamStats) {
	sum(reflect.ValueOf(s).Elem(), reflect.ValueOf(t).Elem())
}

// add adds the counts of another reader.
func (s *ReaderStats) add(t *ReaderStats) {
	sum(reflect.ValueOf(s).Elem(), reflect.ValueOf(t).Elem())
}

// sum adds b to a, which are of the same type: numbers, or structs and arrays
// of them.
func sum(a, b reflect.Value) {
	switch a.Kind() {
	case reflect.Struct:
		for i := range a.NumField() {
			sum(a.Field(i), b.Field(i))
		}
	case reflect.Array:
		for i := range a.Len() {
			sum(a.Index(i), b.Index(i))
		}
	case reflect.Uint64:
		a.SetUint(a.Uint() + b.Uint())
	case reflect.Int:
		a.SetInt(a.Int() + b.Int())
	default:
		panic(fmt.Sprintf("statistics hold a %v", a.Type()))
	}
}
