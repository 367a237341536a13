package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgconn"
)

// Statements are prepared by pgx, once a connection.
const (
	insertSQL = `SELECT status, message_id::text, seq, member_version, created_at, recipients, problem
FROM message_send(ARRAY[$1::uuid], ARRAY[$2::uuid], ARRAY[$3::uuid], ARRAY[$4::uuid], NULL, ARRAY[$5::text], ARRAY['text'],
	ARRAY[$6::text], ARRAY[$7::jsonb])`
	columns = `id::text, conversation_id::text, seq, sender_id::text, kind, created_at, version, sender_device_id::text, body, client_id,
	reply_to_id::text, reaction_count, ttl_seconds, edited_at, deleted_at, expires_at, meta, total, cursor`
	historySQL = `SELECT ` + columns + ` FROM conversation_page($1::uuid, $2::uuid, NULL, NULL, $3::bigint, $4::bigint, NULL)`
	changesSQL = `SELECT ` + columns + ` FROM message_changes_page($1::uuid, $2::text, NULL, $3::integer, $4::integer, NULL)`
)

// What became of a message: status 0, or why not.
type outcome struct {
	status        int
	field, first  string
	memberVersion int32
	recipients    *string
}

func (s *server) insert(ctx context.Context, m *message, extras []byte) (outcome, error) {
	var o outcome
	var id, problem *string
	var seq *int64
	var version *int32
	var created *time.Time
	var meta *string
	if extras != nil {
		text := string(extras)
		meta = &text
	}
	err := s.db.QueryRow(ctx, insertSQL, m.ID, m.SenderID, m.SenderDeviceID, m.ConversationID, m.ClientID, m.Ciphertext,
		meta).Scan(&o.status, &id, &seq, &version, &created, &o.recipients, &problem)
	if err != nil {
		return o, err
	}
	if o.status != 0 {
		if problem != nil {
			o.field = *problem
		}
		if id != nil {
			o.first = *id
		}
		return o, nil
	}
	m.Seq, m.CreatedAt, o.memberVersion = *seq, created.UTC().Format(instant), *version
	return o, nil
}

func instantText(t *time.Time) *string {
	if t == nil {
		return nil
	}
	text := t.UTC().Format(instant)
	return &text
}

// What a page says beside its messages: the total of a history, the cursors of changes.
type about struct {
	total  *int64
	cursor *string
}

// The messages of a page, and what each row, those without a message too, says of it.
func (s *server) messages(ctx context.Context, query string, most int64, args ...interface{}) ([]json.RawMessage, []about, error) {
	items, said := make([]json.RawMessage, 0, most+1), make([]about, 0, most+2)
	rows, err := s.db.Query(ctx, query, args...)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id, conversation, sender, kind *string
		var seq, version, reactions *int64
		var created, expires, edited, deleted *time.Time
		var meta []byte
		var m message
		var a about
		if err := rows.Scan(&id, &conversation, &seq, &sender, &kind, &created, &version, &m.SenderDeviceID, &m.Ciphertext,
			&m.ClientID, &m.QuotedID, &reactions, &m.TTLSeconds, &edited, &deleted, &expires, &meta, &a.total,
			&a.cursor); err != nil {
			return nil, nil, err
		}
		said = append(said, a)
		if id == nil {
			continue
		}
		m.ID, m.ConversationID, m.SenderID, m.Type, m.Seq, m.Version, m.ReactionCount = *id, *conversation, *sender, *kind, *seq,
			*version, *reactions
		m.CreatedAt, m.ExpiresAt = *instantText(created), instantText(expires)
		m.EditedAt, m.DeletedAt = instantText(edited), instantText(deleted)
		text, err := json.Marshal(&m)
		if err != nil {
			return nil, nil, err
		}
		items = append(items, merged(text, meta))
	}
	return items, said, rows.Err()
}

// A page of a conversation, newest first.  An empty one is a row with the total alone.
func (s *server) history(ctx context.Context, account, conversation string, limit, offset int64) ([]json.RawMessage, int64, error) {
	items, said, err := s.messages(ctx, historySQL, limit, account, conversation, limit, offset)
	if err != nil {
		return nil, 0, err
	}
	return items, *said[0].total, nil
}

// A page of changes.  When there are more, one too many comes; the last row has the cursor of the end.
func (s *server) changes(ctx context.Context, account, cursor string, limit, offset int64) (changes, error) {
	var from *string
	if cursor != "" {
		from = &cursor
	}
	items, said, err := s.messages(ctx, changesSQL, limit, account, from, limit, offset)
	if err != nil {
		return changes{}, err
	}
	if int64(len(items)) > limit {
		return changes{*said[limit-1].cursor, true, items[:limit]}, nil
	}
	return changes{*said[len(said)-1].cursor, false, items}, nil
}

// Functions of the schema refuse with SQLSTATE RKnnn: an HTTP status, the field as the hint.
func refuseDatabase(c *gin.Context, err error) {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && strings.HasPrefix(pg.Code, "RK") {
		status, _ := strconv.Atoi(pg.Code[2:])
		refuse(c, problem{Status: status, Detail: pg.Message, Field: pg.Hint})
		return
	}
	if errors.Is(err, context.Canceled) {
		c.AbortWithStatus(http.StatusServiceUnavailable)
		return
	}
	failed(c, err)
}
