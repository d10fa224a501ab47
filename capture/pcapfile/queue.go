package pcapfile

import "github.com/authtap/authtap/capture"

// head is an input in the merge, with the time that decides its turn: that of
// its next packet, when ready, else the earliest that it can be.
type head struct {
	time  capture.Time
	in    *input
	ready bool
}

func (h head) before(other head) bool {
	return h.time < other.time || h.time == other.time && h.in.index < other.in.index
}

// queue is a binary heap of the inputs: the one whose turn it is comes first.
type queue []head

func (q *queue) push(h head) {
	*q = append(*q, h)
	for i := len(*q) - 1; i > 0; {
		parent := (i - 1) / 2
		if !(*q)[i].before((*q)[parent]) {
			return
		}
		(*q)[i], (*q)[parent] = (*q)[parent], (*q)[i]
		i = parent
	}
}

// fix puts the first head where it belongs after its time has changed.
func (q queue) fix() {
	for i := 0; ; {
		child := 2*i + 1
		if child >= len(q) {
			return
		}
		if right := child + 1; right < len(q) && q[right].before(q[child]) {
			child = right
		}
		if !q[child].before(q[i]) {
			return
		}
		q[i], q[child] = q[child], q[i]
		i = child
	}
}

// pop takes the first head out.
func (q *queue) pop() {
	last := len(*q) - 1
	(*q)[0] = (*q)[last]
	(*q)[last] = head{}
	*q = (*q)[:last]
	q.fix()
}
