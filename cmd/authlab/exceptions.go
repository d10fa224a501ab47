package main

// exceptions are captures of which tshark's view is known to be wrong, and
// why.
var exceptions = map[string]string{}
