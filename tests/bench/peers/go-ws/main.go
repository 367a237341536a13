// A WebSocket server as a user of gorilla/websocket would write it well: two goroutines a connection, a bounded queue to
// the writing one, frames prepared once for all receivers, pooled buffers.  What is published in the Redis
// stream "bench" goes to one user ("to") or to everybody of a group ("group"), and is kept for those who come back.
package main

import (
	"encoding/json"
	"log"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/gorilla/websocket"
)

const (
	queued     = 256 // messages to a connection; whoever falls further behind is cut off
	authTime   = 10 * time.Second
	pingTime   = 25 * time.Second
	idleTime   = 75 * time.Second
	writeTime  = 30 * time.Second
	messageMax = 65536
)

var (
	verify   *tokens
	sessions *redis.Pool
	everyone = newHub()
	buffers  sync.Pool
	upgrader = websocket.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 1024, WriteBufferPool: &buffers}
)

func setting(name string) string {
	value := os.Getenv("PEER_" + name)
	if value == "" {
		log.Fatal("PEER_" + name + " is not set")
	}
	return value
}

type credentials struct {
	Type, Token, Resume string
}

// The first message names its sender.
func signIn(ws *websocket.Conn) (*claims, string, bool) {
	var said credentials
	ws.SetReadLimit(messageMax)
	ws.SetReadDeadline(time.Now().Add(authTime))
	_, text, err := ws.ReadMessage()
	if err != nil || json.Unmarshal(text, &said) != nil || said.Type != "auth" {
		return nil, "", false
	}
	who, err := verify.verify(said.Token)
	if err != nil {
		return nil, "", false
	}
	connection := sessions.Get()
	defer connection.Close()
	revoked, err := redis.Bool(connection.Do("EXISTS", "rev:"+who.Session))
	return who, said.Resume, err == nil && !revoked
}

func serve(w http.ResponseWriter, r *http.Request) {
	ws, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	who, resume, ok := signIn(ws)
	if !ok {
		ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(4401, "token"), time.Now().Add(time.Second))
		ws.Close()
		return
	}
	c := &client{ws: ws, queue: make(chan *websocket.PreparedMessage, queued), gone: make(chan struct{})}
	everyone.join(c, who.Subject, r.URL.Query().Get("group"), resume)
	go c.write()
	c.read()
	everyone.leave(c)
}

type client struct {
	ws          *websocket.Conn
	queue       chan *websocket.PreparedMessage
	gone        chan struct{}
	end         sync.Once
	user, group *channel
}

func (c *client) cut() {
	c.end.Do(func() { close(c.gone) })
}

func (c *client) send(m *websocket.PreparedMessage) {
	select {
	case c.queue <- m:
	default:
		c.cut()
	}
}

func (c *client) read() {
	defer c.cut()
	alive := func(string) error { return c.ws.SetReadDeadline(time.Now().Add(idleTime)) }
	c.ws.SetPongHandler(alive)
	alive("")
	for {
		if _, _, err := c.ws.NextReader(); err != nil {
			return
		}
		alive("")
	}
}

func (c *client) write() {
	ping := time.NewTicker(pingTime)
	defer ping.Stop()
	defer c.ws.Close()
	for {
		select {
		case m := <-c.queue:
			c.ws.SetWriteDeadline(time.Now().Add(writeTime))
			if c.ws.WritePreparedMessage(m) != nil {
				return
			}
		case <-ping.C:
			if c.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeTime)) != nil {
				return
			}
		case <-c.gone:
			return
		}
	}
}

func main() {
	socket := setting("REDIS")
	dial := func() (redis.Conn, error) {
		return redis.Dial("unix", socket, redis.DialReadTimeout(0))
	}
	verify = newTokens(setting("KEYS"))
	sessions = &redis.Pool{Dial: dial, MaxIdle: 16, MaxActive: 16, Wait: true}
	http.HandleFunc("/ws", serve)
	server := &http.Server{Addr: "127.0.0.1:" + setting("PORT"), ReadHeaderTimeout: authTime}
	go func() { log.Fatal(server.ListenAndServe()) }()
	reader, err := dial()
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(everyone.tail(reader))
}
