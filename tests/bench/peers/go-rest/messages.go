package main

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/gin-gonic/gin/binding"
	"github.com/go-playground/validator/v10"
)

const (
	bodyMax      = 256 << 10
	formattedMax = 65536
	instant      = "2006-01-02T15:04:05.000Z"
)

type entity struct {
	Type   string `json:"type" binding:"oneof=bold italic strikethrough underline code monospace quote list link spoiler"`
	Offset *int64 `json:"offset" binding:"required"`
	Length *int64 `json:"length" binding:"required"`
	URL    string `json:"url,omitempty" binding:"max=2048"`
}

type formatting struct {
	TextLength *int64   `json:"textLength,omitempty" binding:"omitempty,min=0,max=65536"`
	Entities   []entity `json:"entities,omitempty" binding:"max=1000,dive"`
}

type draft struct {
	ClientMessageID  *string     `json:"clientMessageId" binding:"omitempty,min=1,max=128"`
	Ciphertext       string      `json:"ciphertext" binding:"required"`
	SenderDeviceID   string      `json:"senderDeviceId" binding:"omitempty,uuid"`
	SentAt           string      `json:"sentAt" binding:"omitempty,datetime=2006-01-02T15:04:05Z07:00"`
	CiphertextFormat *string     `json:"ciphertextFormat" binding:"omitempty,min=1,max=64"`
	Formatting       *formatting `json:"formatting"`
}

// What a message carries beside the fixed fields.
type extras struct {
	SentAt           string      `json:"sentAt,omitempty"`
	CiphertextFormat *string     `json:"ciphertextFormat,omitempty"`
	Formatting       *formatting `json:"formatting,omitempty"`
}

type message struct {
	ID             string  `json:"messageId"`
	ConversationID string  `json:"conversationId"`
	Seq            int64   `json:"seq"`
	SenderID       string  `json:"senderId"`
	SenderDeviceID *string `json:"senderDeviceId,omitempty"`
	Type           string  `json:"type"`
	Ciphertext     *string `json:"ciphertext,omitempty"`
	ClientID       *string `json:"clientMessageId,omitempty"`
	CreatedAt      string  `json:"createdAt"`
	QuotedID       *string `json:"quotedMessageId,omitempty"`
	ExpiresAt      *string `json:"expiresAt,omitempty"`
	TTLSeconds     *int64  `json:"ttlSeconds,omitempty"`
	Version        int64   `json:"version"`
	EditedAt       *string `json:"editedAt,omitempty"`
	DeletedAt      *string `json:"deletedAt,omitempty"`
	ReactionCount  int64   `json:"reactionCount,omitempty"`
}

type sent struct {
	ID              string `json:"id"`
	MessageID       string `json:"messageId"`
	ConversationID  string `json:"conversationId"`
	ChatID          string `json:"chatId"`
	Type            string `json:"type"`
	Status          string `json:"status"`
	ServerTimestamp string `json:"serverTimestamp"`
	Seq             int64  `json:"seq"`
}

type page struct {
	Items    []json.RawMessage `json:"items"`
	Page     int64             `json:"page"`
	PageSize int64             `json:"pageSize"`
	Total    int64             `json:"total"`
}

type changes struct {
	NextCursor string            `json:"nextCursor"`
	HasMore    bool              `json:"hasMore"`
	Messages   []json.RawMessage `json:"messages"`
}

func isUUID(text string) bool {
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return false
	}
	var out [16]byte
	_, err := hex.Decode(out[:], []byte(text[0:8]+text[9:13]+text[14:18]+text[19:23]+text[24:36]))
	return err == nil
}

// A UUIDv7: 48 bits of milliseconds, then randomness.
func newID() string {
	var b [16]byte
	rand.Read(b[6:])
	ms := time.Now().UnixMilli()
	for i := 5; i >= 0; i-- {
		b[i] = byte(ms)
		ms >>= 8
	}
	b[6], b[8] = b[6]&0x0f|0x70, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// A marshalled object with the fields of another beside its own.
func merged(object, more []byte) []byte {
	if len(more) <= len("{}") {
		return object
	}
	return append(append(object[:len(object)-1], ','), more[1:]...)
}

func (d *draft) extras() []byte {
	if d.SentAt == "" && d.CiphertextFormat == nil && d.Formatting == nil {
		return nil
	}
	e := extras{"", d.CiphertextFormat, d.Formatting}
	if at, err := time.Parse(time.RFC3339, d.SentAt); err == nil {
		e.SentAt = at.UTC().Format(instant)
	}
	text, _ := json.Marshal(e)
	return text
}

// The first entity that lies outside the text, or -1.
func (f *formatting) misplaced() int {
	if f == nil {
		return -1
	}
	end := int64(formattedMax)
	if f.TextLength != nil {
		end = *f.TextLength
	}
	for i, e := range f.Entities {
		if *e.Offset < 0 || *e.Length < 1 || *e.Offset > end || *e.Length > end-*e.Offset {
			return i
		}
	}
	return -1
}

// Faulty fields are named as in JSON.
func nameFieldsAsJSON() {
	binding.Validator.Engine().(*validator.Validate).RegisterTagNameFunc(func(field reflect.StructField) string {
		return strings.SplitN(field.Tag.Get("json"), ",", 2)[0]
	})
}

func invalid(c *gin.Context, err error) {
	var fields validator.ValidationErrors
	var size *http.MaxBytesError
	p := problem{Status: http.StatusBadRequest, Detail: "the body is malformed"}
	if errors.As(err, &size) {
		p = problem{Status: http.StatusRequestEntityTooLarge}
	} else if errors.As(err, &fields) {
		p.Field, p.Detail = fields[0].Field(), fields[0].Tag()
	}
	refuse(c, p)
}

// Read and check the body; false when the request has been refused.
func (s *server) draft(c *gin.Context, who *claims, d *draft) bool {
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, bodyMax)
	if err := c.ShouldBindJSON(d); err != nil {
		invalid(c, err)
		return false
	}
	if d.SenderDeviceID != "" && d.SenderDeviceID != who.Device {
		refuse(c, problem{Status: http.StatusForbidden, Field: "senderDeviceId"})
		return false
	}
	if i := d.Formatting.misplaced(); i >= 0 {
		refuse(c, problem{Status: http.StatusUnprocessableEntity, Field: fmt.Sprintf("formatting.entities[%d]", i)})
		return false
	}
	if len(d.Ciphertext) > s.messageMax {
		refuse(c, problem{Status: http.StatusRequestEntityTooLarge, Field: "ciphertext"})
		return false
	}
	return true
}

func (s *server) publish(m *message, extras []byte, memberVersion int32, recipients *string) error {
	payload, err := json.Marshal(m)
	if err != nil {
		return err
	}
	args := []interface{}{"rt", "MAXLEN", "~", s.streamKeep, "*", "id", m.ID, "t", "message.new", "c", m.ConversationID,
		"v", memberVersion, "s", m.Seq, "not", *m.SenderDeviceID, "j", merged(payload, extras)}
	if recipients != nil {
		args = append(args, "to", *recipients)
	}
	conn := s.redis.Get()
	defer conn.Close()
	_, err = conn.Do("XADD", args...)
	return err
}

func (s *server) send(c *gin.Context) {
	who, conversation := c.MustGet("who").(*claims), c.Param("id")
	var d draft
	if !isUUID(conversation) {
		refuse(c, problem{Status: http.StatusBadRequest, Field: "conversationId"})
		return
	}
	if !s.draft(c, who, &d) {
		return
	}
	m := message{ID: newID(), ConversationID: conversation, SenderID: who.Subject, SenderDeviceID: &who.Device,
		Type: "text", Ciphertext: &d.Ciphertext, ClientID: d.ClientMessageID, Version: 1}
	more := d.extras()
	result, err := s.insert(c.Request.Context(), &m, more)
	if err != nil {
		failed(c, err)
		return
	}
	if result.status != 0 {
		refuse(c, problem{Status: result.status, Field: result.field, MessageID: result.first})
		return
	}
	// Not waited for: the row is committed, and an event that is lost here, the sweeper adds.
	go func() {
		if err := s.publish(&m, more, result.memberVersion, result.recipients); err != nil {
			log.Print(err)
		}
	}()
	c.JSON(http.StatusCreated, sent{m.ID, m.ID, conversation, conversation, "text", "queued", m.CreatedAt, m.Seq})
}

func number(c *gin.Context, name string, most int64) (int64, bool) {
	n, err := strconv.ParseInt(c.Query(name), 10, 64)
	if err != nil || n < 1 || n > most {
		refuse(c, problem{Status: http.StatusBadRequest, Field: name})
		return 0, false
	}
	return n, true
}

func pageOf(c *gin.Context) (n, size int64, ok bool) {
	if n, ok = number(c, "page", 100000000); ok {
		size, ok = number(c, "pageSize", 100)
	}
	return
}

func (s *server) list(c *gin.Context) {
	who, conversation := c.MustGet("who").(*claims), c.Param("id")
	n, size, ok := pageOf(c)
	if !ok {
		return
	}
	if !isUUID(conversation) {
		refuse(c, problem{Status: http.StatusBadRequest, Field: "conversationId"})
		return
	}
	items, total, err := s.history(c.Request.Context(), who.Subject, conversation, size, (n-1)*size)
	if err != nil {
		refuseDatabase(c, err)
		return
	}
	c.JSON(http.StatusOK, page{items, n, size, total})
}

func (s *server) sync(c *gin.Context) {
	who := c.MustGet("who").(*claims)
	n, size, ok := pageOf(c)
	if !ok {
		return
	}
	answer, err := s.changes(c.Request.Context(), who.Subject, c.Query("cursor"), size, (n-1)*size)
	if err != nil {
		refuseDatabase(c, err)
		return
	}
	c.JSON(http.StatusOK, answer)
}
