package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/expression"
)

// maxEndpoints bounds the list of endpoints.
const maxEndpoints = 1000

// endpoints reads the list of endpoints that the file describes.
func (c *contents) endpoints(node ast.Node) error {
	if list, ok := node.(*ast.SequenceNode); ok && len(list.Values) > maxEndpoints {
		return fmt.Errorf("%d endpoints are more than %d", len(list.Values), maxEndpoints)
	}
	return each(node, "endpoints (- path: /login …)", func(n ast.Node) error {
		pins, err := pinsOf(n)
		c.pins = append(c.pins, pins...)
		return err
	})
}

// pinsOf reads one endpoint, which has as many pins as methods.
func pinsOf(node ast.Node) ([]detect.Pin, error) {
	var (
		pin     detect.Pin
		methods []string
	)
	err := mapping(node, func(name string, n ast.Node) (err error) {
		switch name {
		case "host":
			pin.Hosts, err = texts(n)
			if err == nil {
				var hosts Hosts
				err = hosts.Set(strings.Join(pin.Hosts, ","))
				pin.Hosts = hosts
			}
		case "method":
			methods, err = texts(n)
			for _, m := range methods {
				if m == "" || strings.ToUpper(m) != m || strings.ContainsAny(m, " /") {
					return fmt.Errorf("%q is not a method such as POST", m)
				}
			}
		case "path":
			if pin.Path, err = scalar(n); err == nil && (!strings.HasPrefix(pin.Path, "/") || strings.ContainsAny(pin.Path, "? #")) {
				return fmt.Errorf("%q is not a path such as /users/{id}", pin.Path)
			}
		case "login":
			pin.Login, err = loginFields(n)
		case "requires":
			pin.Requires, err = need(n)
		case "success":
			pin.Success, err = answers(n)
		case "failure":
			pin.Failure, err = answers(n)
		default:
			return fmt.Errorf("an endpoint has no %q: it has host, method, path, login, requires, success and failure", name)
		}
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case pin.Path == "":
		return nil, located{fmt.Errorf("%d: an endpoint needs a path", line(node))}
	case pin.Login == nil && pin.Requires == endpoint.Learned && pin.Success == nil && pin.Failure == nil:
		return nil, located{fmt.Errorf("%d: nothing is said of the endpoint %s: login, requires, success or failure", line(node), pin.Path)}
	}
	slices.Sort(methods)
	methods = slices.Compact(methods)
	if len(methods) == 0 {
		methods = []string{""}
	}
	pins := make([]detect.Pin, len(methods))
	for i, m := range methods {
		pins[i] = pin
		pins[i].Method = m
	}
	return pins, nil
}

func loginFields(node ast.Node) (*credential.LoginFields, error) {
	var l credential.LoginFields
	err := mapping(node, func(name string, n ast.Node) (err error) {
		switch name {
		case "user":
			l.User, err = scalar(n)
		case "password":
			l.Password, err = scalar(n)
		case "code":
			l.Password, err = scalar(n)
			l.OneTime = true
		default:
			return fmt.Errorf("a login has no %q: it has user, and password or code", name)
		}
		return err
	})
	if err == nil && l.Password == "" {
		err = errors.New("a login needs the name of the field that holds the password or the code")
	}
	// Of a JSON field's path the last part is what counts.
	last := func(s string) string { return s[strings.LastIndexByte(s, '.')+1:] }
	l.User, l.Password = last(l.User), last(l.Password)
	if err == nil && strings.EqualFold(l.User, l.Password) {
		err = errors.New("user and password are the same field")
	}
	return &l, err
}

func need(node ast.Node) (endpoint.Need, error) {
	text, err := scalar(node)
	switch {
	case err != nil:
		return 0, err
	case text == "credential":
		return endpoint.Required, nil
	case text == "nothing":
		return endpoint.Nothing, nil
	}
	return 0, fmt.Errorf("requires is credential or nothing, not %q", text)
}

// answers compiles an expression over an answer.
func answers(node ast.Node) (*detect.Answers, error) {
	text, err := scalar(node)
	if err != nil {
		return nil, err
	}
	e, err := expression.Compile[expression.Exchange, bool](text)
	var its *expression.Error
	if errors.As(err, &its) {
		return nil, located{fmt.Errorf("%d: column %d of the expression: %s", textLine(node)+its.Line-1, its.Column, its.What)}
	}
	return e, err
}

// DescribePin tells what is pinned of an endpoint, on one line.
func DescribePin(p *detect.Pin) string {
	var says []string
	if l := p.Login; l != nil {
		kind := "password"
		if l.OneTime {
			kind = "code"
		}
		text := "a login by "
		if l.User != "" {
			text += "user " + l.User + ", "
		}
		says = append(says, text+kind+" "+l.Password)
	}
	switch p.Requires {
	case endpoint.Required:
		says = append(says, "requires a credential")
	case endpoint.Nothing:
		says = append(says, "requires nothing")
	}
	if p.Success != nil {
		says = append(says, "success: "+oneLine(p.Success.Text()))
	}
	if p.Failure != nil {
		says = append(says, "failure: "+oneLine(p.Failure.Text()))
	}
	method, host := p.Method, strings.Join(p.Hosts, ",")
	if method == "" {
		method = "*"
	}
	if host == "" {
		host = "*"
	}
	return method + " " + host + p.Path + "\t" + strings.Join(says, "; ")
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// DescribeOperation tells what a document says of an operation, on one line.
func DescribeOperation(d *endpoint.Declared) string {
	host := strings.Join(d.Hosts, ",")
	if host == "" {
		host = "*"
	}
	asks := "for nothing"
	if !d.Spec.Anonymous() {
		var all []string
		for _, schemes := range d.Spec.Security {
			var names []string
			for _, s := range schemes {
				names = append(names, s.Name)
			}
			all = append(all, strings.Join(names, " and "))
		}
		asks = "for " + strings.Join(all, ", or ")
	}
	return fmt.Sprintf("%s %s%s\tasks %s (%s)", d.Method, host, d.Path, asks, d.Spec.Document)
}
