package expression

import "reflect"

// Member is something that expressions can name.
type Member struct{ Name, Type, Doc string }

// Members describes an environment by the tags of its type, a struct: members
// of members are a.b, and those of each in a list a[].b.
func Members(env any) []Member { return members(reflect.TypeOf(env), "") }

func members(t reflect.Type, within string) (list []Member) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			list = append(list, members(f.Type, within)...)
			continue
		}
		name := f.Tag.Get("expr")
		if name == "" {
			continue
		}
		name = within + name
		m := Member{Name: name, Doc: f.Tag.Get("doc")}
		switch t := f.Type; t.Kind() {
		case reflect.Struct:
			list = append(list, members(t, name+".")...)
			continue
		case reflect.Slice:
			m.Type = "list"
			if t.Elem().Kind() != reflect.Struct {
				m.Type = "list of " + typeName(t.Elem())
			}
			list = append(list, m)
			if t.Elem().Kind() == reflect.Struct {
				list = append(list, members(t.Elem(), name+"[].")...)
			}
			continue
		case reflect.Func:
			m.Type = "function, gives " + typeName(t.Out(0))
		default:
			m.Type = typeName(t)
		}
		list = append(list, m)
	}
	return list
}

func typeName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "text"
	case reflect.Int:
		return "number"
	case reflect.Bool:
		return "truth"
	}
	return "any"
}
