//go:build !race

package window

const million = 1_000_000
