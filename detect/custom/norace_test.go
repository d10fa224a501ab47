//go:build !race

package custom_test

const raceEnabled = false
