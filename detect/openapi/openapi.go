// Package openapi reads of OpenAPI documents what authtap needs: where an API's
// endpoints are, and what they ask for.
//
// Contract: JSON and YAML, versions 3.0 and 3.1. A document is bounded (MaxSize,
// MaxOperations, depth), and nothing beyond it is fetched: references lead to
// places within it. Mistakes are of type *Error, with their line. What a
// document says else (parameters, schemas, examples) is not read, nor checked.
//
// It does not look at traffic.
package openapi

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
)

// MaxSize of a document in bytes, MaxOperations of one, each counted once for
// each base path.
const (
	MaxSize       = 8 << 20
	MaxOperations = 10_000
)

// Read reads a document. name is what it goes by in findings. Its endpoints are
// those of its servers, but of hosts where those are given.
func Read(name string, text []byte, hosts []string) ([]*endpoint.Declared, error) {
	if len(text) > MaxSize {
		return nil, &Error{1, fmt.Sprintf("the document is larger than %d MiB", MaxSize>>20)}
	}
	root, err := parse(text)
	if err != nil {
		return nil, err
	}
	r := reader{name: name, root: root, hosts: hosts, schemes: map[string]endpoint.Scheme{}}
	if err := r.document(); err != nil {
		return nil, err
	}
	return r.list, nil
}

type reader struct {
	name    string
	root    *node
	hosts   []string
	schemes map[string]endpoint.Scheme
	list    []*endpoint.Declared
}

func (r *reader) document() error {
	if r.root.kind != object {
		return r.root.errorf("an OpenAPI document is an object")
	}
	version := r.root.get("openapi")
	switch {
	case version == nil && r.root.get("swagger") != nil:
		return r.root.get("swagger").errorf("this is Swagger 2.0: OpenAPI 3.0 and 3.1 are read")
	case version == nil:
		return r.root.errorf("this is no OpenAPI document: it does not say which version it is of")
	case !strings.HasPrefix(version.text, "3.0") && !strings.HasPrefix(version.text, "3.1"):
		return version.errorf("OpenAPI %s is not read: 3.0 and 3.1 are", version.text)
	}
	if all := r.root.get("components").get("securitySchemes"); all != nil {
		for i, name := range all.keys {
			s, err := r.scheme(name, all.list[i])
			if err != nil {
				return err
			}
			r.schemes[name] = s
		}
	}
	servers, err := r.servers(r.root.get("servers"), []server{{}})
	if err != nil {
		return err
	}
	security, secured, err := r.security(r.root.get("security"))
	if err != nil {
		return err
	}
	paths := r.root.get("paths")
	if paths == nil {
		return nil
	}
	if paths.kind != object {
		return paths.errorf("paths is an object")
	}
	for i, path := range paths.keys {
		if strings.HasPrefix(path, "x-") {
			continue
		}
		if !strings.HasPrefix(path, "/") {
			return paths.list[i].errorf("the path %q does not begin with /", path)
		}
		if err := r.path(path, paths.list[i], servers, security, secured); err != nil {
			return err
		}
	}
	return nil
}

var methods = []string{"get", "put", "post", "delete", "options", "head", "patch", "trace"}

func (r *reader) path(path string, item *node, servers []server, security [][]endpoint.Scheme, secured bool) error {
	item, err := r.follow(item)
	if err != nil {
		return err
	}
	if servers, err = r.servers(item.get("servers"), servers); err != nil {
		return err
	}
	for _, method := range methods {
		operation := item.get(method)
		if operation == nil {
			continue
		}
		if operation.kind != object {
			return operation.errorf("%s is an object", method)
		}
		spec := &endpoint.Spec{Document: r.name, Security: security, Secured: secured, Deprecated: operation.get("deprecated") != nil && operation.get("deprecated").text == "true"}
		if own := operation.get("security"); own != nil {
			if spec.Security, spec.Secured, err = r.security(own); err != nil {
				return err
			}
		}
		at, err := r.servers(operation.get("servers"), servers)
		if err != nil {
			return err
		}
		for _, s := range at {
			if len(r.list) == MaxOperations {
				return operation.errorf("a document has at most %d operations", MaxOperations)
			}
			r.list = append(r.list, &endpoint.Declared{Hosts: s.hosts, Method: strings.ToUpper(method), Path: s.base + path, Spec: spec})
		}
	}
	return nil
}

// follow gives what a reference leads to, within the document (RFC 6901).
func (r *reader) follow(n *node) (*node, error) {
	for range 8 {
		ref := n.get("$ref")
		if ref == nil {
			return n, nil
		}
		pointer, ok := strings.CutPrefix(ref.text, "#/")
		if !ok {
			return nil, ref.errorf("the reference %q leads out of the document, which is not followed", ref.text)
		}
		to := r.root
		for part := range strings.SplitSeq(pointer, "/") {
			if p, err := url.PathUnescape(part); err == nil {
				part = p
			}
			to = to.get(strings.NewReplacer("~1", "/", "~0", "~").Replace(part))
		}
		if to == nil {
			return nil, ref.errorf("the reference %q leads nowhere", ref.text)
		}
		n = to
	}
	return nil, n.errorf("the references lead in a circle")
}

// server is a base path, and the hosts that it is on; none are all.
type server struct {
	base  string
	hosts []string
}

// maxServers bounds a list of servers.
const maxServers = 64

// servers reads a list of them, by base path; otherwise where there is none.
func (r *reader) servers(n *node, otherwise []server) ([]server, error) {
	if n == nil || n.kind != array || len(n.list) == 0 {
		if r.hosts != nil && len(otherwise) == 1 && otherwise[0].hosts == nil {
			otherwise = []server{{otherwise[0].base, r.hosts}}
		}
		return otherwise, nil
	}
	if len(n.list) > maxServers {
		return nil, n.errorf("a list has at most %d servers", maxServers)
	}
	var list []server
	for _, s := range n.list {
		u := s.get("url")
		if u == nil {
			return nil, s.errorf("a server needs a url")
		}
		host, base, err := split(u)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(list, func(o server) bool { return o.base == base })
		if i < 0 {
			i = len(list)
			list = append(list, server{base: base, hosts: []string{}})
		}
		switch {
		case r.hosts != nil:
			list[i].hosts = r.hosts
		case host == "":
			list[i].hosts = nil // on whatever host the document is
		case list[i].hosts != nil && !slices.Contains(list[i].hosts, host):
			list[i].hosts = append(list[i].hosts, host)
		}
	}
	return list, nil
}

// split gives a server's host, "" where its URL is relative, and base path. A
// variable in the host may be anything, one in the path is a segment.
func split(u *node) (host, base string, err error) {
	text := u.text
	scheme, rest, absolute := strings.Cut(text, "://")
	if absolute && !strings.Contains(scheme, "/") {
		host, base, _ = strings.Cut(rest, "/")
		if base != "" {
			base = "/" + base
		}
		host = strings.ToLower(host[strings.LastIndexByte(host, '@')+1:])
		host = strings.TrimSuffix(strings.TrimSuffix(host, ":443"), ":80")
		if strings.ContainsAny(host, "{}") {
			_, behind, _ := strings.Cut(host, ".")
			if host = "*"; behind != "" && !strings.ContainsAny(behind, "{}") {
				host = "*." + behind
			}
		}
		if host == "" {
			return "", "", u.errorf("the url %q names no host", text)
		}
	} else {
		base = "/" + strings.TrimLeft(strings.TrimPrefix(text, "."), "/")
	}
	if strings.ContainsAny(base, "?#") {
		return "", "", u.errorf("the url %q has a query", text)
	}
	return host, strings.TrimRight(base, "/"), nil
}

// security reads a list of alternatives. An empty list, as none, asks for
// nothing.
func (r *reader) security(n *node) (all [][]endpoint.Scheme, secured bool, err error) {
	if n == nil {
		return nil, false, nil
	}
	if n.kind != array {
		return nil, false, n.errorf("security is a list")
	}
	for _, alternative := range n.list {
		needed := []endpoint.Scheme{}
		for i, name := range alternative.keys {
			s, ok := r.schemes[name]
			if !ok {
				return nil, false, alternative.list[i].errorf("there is no security scheme %q", name)
			}
			needed = append(needed, s)
		}
		all = append(all, needed)
	}
	return all, true, nil
}

// scheme reads a security scheme.
func (r *reader) scheme(name string, n *node) (endpoint.Scheme, error) {
	s := endpoint.Scheme{Name: name}
	n, err := r.follow(n)
	if err != nil {
		return s, err
	}
	authorization := credential.Place{Part: credential.InHeader, Name: "authorization"}
	text := func(key string) string {
		if v := n.get(key); v != nil {
			return v.text
		}
		return ""
	}
	switch text("type") {
	case "http":
		s.Place = authorization
		switch strings.ToLower(text("scheme")) {
		case "basic":
			s.Kinds = []credential.Kind{credential.Basic}
		case "digest":
			s.Kinds = []credential.Kind{credential.Digest}
		case "bearer", "dpop":
			s.Kinds = []credential.Kind{credential.JWT, credential.Bearer}
		case "negotiate", "ntlm":
			s.Kinds = []credential.Kind{credential.Negotiate, credential.NTLM}
		case "":
			return s, n.errorf("the security scheme %q lacks its scheme", name)
		default:
			s.Kinds = []credential.Kind{credential.Other, credential.Signature, credential.APIKey, credential.Bearer, credential.JWT}
		}
	case "apiKey":
		s.Kinds = []credential.Kind{credential.APIKey, credential.Bearer, credential.JWT, credential.Session, credential.Basic, credential.Signature, credential.Other}
		s.Place.Name = text("name")
		switch text("in") {
		case "header":
			s.Place.Part, s.Place.Name = credential.InHeader, strings.ToLower(s.Place.Name)
		case "query":
			s.Place.Part = credential.InQuery
		case "cookie":
			s.Place.Part = credential.InCookie
		default:
			return s, n.errorf("the security scheme %q is in no header, query or cookie", name)
		}
		if s.Place.Name == "" {
			return s, n.errorf("the security scheme %q lacks its name", name)
		}
	case "oauth2", "openIdConnect":
		s.Place, s.Kinds = authorization, []credential.Kind{credential.JWT, credential.Bearer}
	case "mutualTLS": // it is not seen
	default:
		return s, n.errorf("the security scheme %q has the type %q, which there is not", name, text("type"))
	}
	return s, nil
}
