package pipeline

import (
	"reflect"
	"testing"
)

// Every count of every package is added up.
func TestStatsAreAdded(t *testing.T) {
	var a, b StreamStats
	fill(reflect.ValueOf(&b).Elem())
	a.add(&b)
	a.add(&b)
	if !doubled(reflect.ValueOf(a), reflect.ValueOf(b)) {
		t.Errorf("%+v is not twice %+v", a, b)
	}
}

func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Uint64:
		v.SetUint(3)
	case reflect.Int:
		v.SetInt(3)
	}
}

func doubled(a, b reflect.Value) bool {
	switch a.Kind() {
	case reflect.Struct:
		for i := range a.NumField() {
			if !doubled(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Array:
		for i := range a.Len() {
			if !doubled(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Uint64:
		return b.Uint() == 3 && a.Uint() == 6
	case reflect.Int:
		return b.Int() == 3 && a.Int() == 6
	}
	return false
}
