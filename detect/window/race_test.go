//go:build race

package window

// million is smaller under the race detector, where a key takes ten times as
// long.
const million = 200_000
