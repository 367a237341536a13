package main

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"sync"

	"github.com/gomodule/redigo/redis"
	"github.com/gorilla/websocket"
)

const (
	kept  = 64   // messages of a channel, for those who come back
	chunk = 1000 // entries of one read
)

type entry struct {
	ms, n uint64
	frame *websocket.PreparedMessage
}

func (e *entry) after(ms, n uint64) bool {
	return e.ms > ms || e.ms == ms && e.n > n
}

// A user, or a group.
type channel struct {
	name    string
	clients map[*client]struct{}
	history []entry
	cut     bool // the history does not reach back to the beginning
}

type hub struct {
	lock     sync.Mutex
	channels map[string]*channel
	last     string
}

func newHub() *hub {
	return &hub{channels: map[string]*channel{}, last: "0-0"}
}

func (h *hub) channel(name string) *channel {
	c := h.channels[name]
	if c == nil {
		c = &channel{name: name, clients: map[*client]struct{}{}}
		h.channels[name] = c
	}
	return c
}

func parse(id string) (ms, n uint64, ok bool) {
	a, b, found := strings.Cut(id, "-")
	ms, err1 := strconv.ParseUint(a, 10, 64)
	n, err2 := strconv.ParseUint(b, 10, 64)
	return ms, n, found && err1 == nil && err2 == nil
}

func prepared(text string) *websocket.PreparedMessage {
	m, err := websocket.NewPreparedMessage(websocket.TextMessage, []byte(text))
	if err != nil {
		panic(err)
	}
	return m
}

// What the client missed of its channels, in order; false when that is not known any more.
func missed(ms, n uint64, channels ...*channel) ([]entry, bool) {
	var found []entry
	for _, c := range channels {
		if c == nil {
			continue
		}
		if c.cut && c.history[0].after(ms, n) {
			return nil, false
		}
		for _, e := range c.history {
			if e.after(ms, n) {
				at := len(found)
				for at > 0 && found[at-1].after(e.ms, e.n) {
					at--
				}
				found = append(found[:at], append([]entry{e}, found[at:]...)...)
			}
		}
	}
	return found, len(found) < queued
}

func (h *hub) join(c *client, user, group, resume string) {
	h.lock.Lock()
	defer h.lock.Unlock()
	c.user = h.channel(user)
	c.user.clients[c] = struct{}{}
	if group != "" {
		c.group = h.channel(group)
		c.group.clients[c] = struct{}{}
	}
	ms, n, ok := parse(resume)
	var found []entry
	if ok {
		found, ok = missed(ms, n, c.user, c.group)
	}
	c.send(prepared(`{"type":"ready","data":{"recovered":` + strconv.FormatBool(ok) + `,"cursor":"` + h.last + `"}}`))
	for _, e := range found {
		c.send(e.frame)
	}
}

func (h *hub) leave(c *client) {
	h.lock.Lock()
	defer h.lock.Unlock()
	for _, ch := range []*channel{c.user, c.group} {
		if ch != nil {
			delete(ch.clients, c)
		}
	}
}

func (h *hub) publish(name, id, data string) {
	var text bytes.Buffer
	text.WriteString(`{"type":"message.new","cursor":"`)
	text.WriteString(id)
	text.WriteString(`","data":`)
	text.WriteString(data)
	text.WriteByte('}')
	frame := prepared(text.String())
	ms, n, _ := parse(id)
	c := h.channel(name)
	if len(c.history) == kept {
		c.history = append(c.history[:0], c.history[1:]...)
		c.cut = true
	}
	c.history = append(c.history, entry{ms, n, frame})
	h.last = id
	for client := range c.clients {
		client.send(frame)
	}
}

// An entry is [id, [field, value, ...]].
func (h *hub) take(e interface{}) error {
	parts, err := redis.Values(e, nil)
	if err != nil || len(parts) != 2 {
		return errors.New("not an entry")
	}
	id, _ := redis.String(parts[0], nil)
	fields, err := redis.StringMap(parts[1], nil)
	if err != nil {
		return err
	}
	h.publish(fields["to"]+fields["group"], id, fields["j"])
	return nil
}

func (h *hub) tail(reader redis.Conn) error {
	at := "$"
	for {
		reply, err := redis.Values(reader.Do("XREAD", "COUNT", chunk, "BLOCK", 0, "STREAMS", "bench", at))
		if err != nil {
			return err
		}
		stream, err := redis.Values(reply[0], nil)
		if err != nil {
			return err
		}
		entries, err := redis.Values(stream[1], nil)
		if err != nil {
			return err
		}
		h.lock.Lock()
		for _, e := range entries {
			if err = h.take(e); err != nil {
				h.lock.Unlock()
				return err
			}
		}
		at = h.last
		h.lock.Unlock()
	}
}
