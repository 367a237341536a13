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
	historySQL = `SELECT s.total, m.id::text, m.seq, m.sender_id::text, m.sender_device_id::text, m.kind,
	CASE WHEN h.hidden_at IS NULL AND coalesce(m.expires_at > now(), true) THEN m.body END, m.client_id,
	m.created_at, m.reply_to_id::text, m.expires_at, m.ttl_seconds, m.version, m.edited_at,
	coalesce(h.hidden_at, m.deleted_at), m.reaction_count,
	CASE WHEN h.hidden_at IS NULL AND coalesce(m.expires_at > now(), true) THEN m.meta END
FROM conversation_slices($1::uuid, $2::uuid, NULL, false, $3::bigint, $4::bigint) s
LEFT JOIN LATERAL (SELECT t.* FROM unnest(s.lows, s.highs) AS x (low, high) CROSS JOIN LATERAL (
	SELECT t.* FROM message t WHERE t.conversation_id = $2::uuid AND t.seq > x.low AND t.seq <= x.high
	ORDER BY t.seq DESC LIMIT $3::bigint) t) m ON true
LEFT JOIN message_hidden h ON h.message_id = m.id AND h.account_id = $1::uuid
ORDER BY m.seq DESC`
	changesSQL = `SELECT next_cursor, has_more, messages FROM message_sync($1::uuid, $2::text, NULL, $3::integer, $4::integer)`
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

// A page of a conversation, newest first.  An empty one is a row with the total alone.
func (s *server) history(ctx context.Context, account, conversation string, limit, offset int64) ([]json.RawMessage, int64, error) {
	items, total := make([]json.RawMessage, 0, limit), int64(0)
	rows, err := s.db.Query(ctx, historySQL, account, conversation, limit, offset)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var id, sender, kind *string
		var seq, version, reactions *int64
		var created, expires, edited, deleted *time.Time
		var meta []byte
		m := message{ConversationID: conversation}
		if err := rows.Scan(&total, &id, &seq, &sender, &m.SenderDeviceID, &kind, &m.Ciphertext, &m.ClientID, &created,
			&m.QuotedID, &expires, &m.TTLSeconds, &version, &edited, &deleted, &reactions, &meta); err != nil {
			return nil, 0, err
		}
		if id == nil {
			continue
		}
		m.ID, m.SenderID, m.Type, m.Seq, m.Version, m.ReactionCount = *id, *sender, *kind, *seq, *version, *reactions
		m.CreatedAt, m.ExpiresAt = *instantText(created), instantText(expires)
		m.EditedAt, m.DeletedAt = instantText(edited), instantText(deleted)
		text, err := json.Marshal(&m)
		if err != nil {
			return nil, 0, err
		}
		items = append(items, merged(text, meta))
	}
	return items, total, rows.Err()
}

func (s *server) changes(ctx context.Context, account, cursor string, limit, offset int64) (changes, error) {
	var answer changes
	var from *string
	if cursor != "" {
		from = &cursor
	}
	err := s.db.QueryRow(ctx, changesSQL, account, from, limit, offset).Scan(
		&answer.NextCursor, &answer.HasMore, (*[]byte)(&answer.Messages))
	return answer, err
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
