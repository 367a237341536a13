package main

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/golang-jwt/jwt"
	"github.com/gomodule/redigo/redis"
)

// Verified tokens are remembered, so many at most; then all are forgotten.
const tokensKept = 8192

type claims struct {
	Session string `json:"sid"`
	Device  string `json:"did"`
	jwt.StandardClaims
}

type tokens struct {
	keys     map[string]*ecdsa.PublicKey
	parser   jwt.Parser
	lock     sync.RWMutex
	verified map[string]*claims
}

// The public keys of a directory: token-KID.pub in PEM.
func newTokens(directory string) *tokens {
	t := &tokens{
		keys: map[string]*ecdsa.PublicKey{}, verified: map[string]*claims{},
		parser: jwt.Parser{ValidMethods: []string{"ES256"}},
	}
	paths, _ := filepath.Glob(filepath.Join(directory, "token-*.pub"))
	for _, path := range paths {
		pem, err := os.ReadFile(path)
		if err != nil {
			log.Fatal(err)
		}
		key, err := jwt.ParseECPublicKeyFromPEM(pem)
		if err != nil {
			log.Fatal(err)
		}
		kid := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "token-"), ".pub")
		t.keys[kid] = key
	}
	return t
}

func (t *tokens) verify(text string) (*claims, error) {
	t.lock.RLock()
	known := t.verified[text]
	t.lock.RUnlock()
	if known != nil && known.ExpiresAt > time.Now().Unix() {
		return known, nil
	}
	c := &claims{}
	_, err := t.parser.ParseWithClaims(text, c, func(token *jwt.Token) (interface{}, error) {
		kid, _ := token.Header["kid"].(string)
		if key := t.keys[kid]; key != nil {
			return key, nil
		}
		return nil, errors.New("unknown key")
	})
	if err != nil {
		return nil, err
	}
	if c.Issuer != "rookery" || c.ExpiresAt == 0 || !isUUID(c.Subject) || !isUUID(c.Session) || !isUUID(c.Device) {
		return nil, errors.New("not one of our tokens")
	}
	t.lock.Lock()
	if len(t.verified) >= tokensKept {
		t.verified = map[string]*claims{}
	}
	t.verified[text] = c
	t.lock.Unlock()
	return c, nil
}

type problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail,omitempty"`
	Field     string `json:"field,omitempty"`
	MessageID string `json:"messageId,omitempty"`
}

// Answer a refusal (RFC 9457).
func refuse(c *gin.Context, p problem) {
	p.Type, p.Title = "about:blank", http.StatusText(p.Status)
	c.Header("Content-Type", "application/problem+json")
	c.AbortWithStatusJSON(p.Status, p)
}

func failed(c *gin.Context, err error) {
	log.Print(err)
	refuse(c, problem{Status: http.StatusInternalServerError})
}

// Ask Redis in one round trip whether the session was revoked, and count the request.
func (s *server) ask(who *claims, l limit, now int64) (revoked, used int64, err error) {
	conn := s.redis.Get()
	defer conn.Close()
	key := fmt.Sprintf("rl:%s:%s:%d", l.class, who.Subject, now/l.window)
	conn.Send("EXISTS", "rev:"+who.Session)
	conn.Send("INCR", key)
	conn.Send("EXPIRE", key, l.window+1)
	if err = conn.Flush(); err != nil {
		return
	}
	if revoked, err = redis.Int64(conn.Receive()); err != nil {
		return
	}
	if used, err = redis.Int64(conn.Receive()); err != nil {
		return
	}
	_, err = conn.Receive()
	return
}

// The middleware of every operation: token, revocation, rate limit.
func (s *server) admit(l limit) gin.HandlerFunc {
	return func(c *gin.Context) {
		header := c.GetHeader("Authorization")
		if !strings.HasPrefix(header, "Bearer ") {
			refuse(c, problem{Status: http.StatusUnauthorized})
			return
		}
		who, err := s.tokens.verify(strings.TrimPrefix(header, "Bearer "))
		if err != nil {
			refuse(c, problem{Status: http.StatusUnauthorized, Detail: "the access token is invalid or has expired"})
			return
		}
		now := time.Now().Unix()
		revoked, used, err := s.ask(who, l, now)
		if err != nil {
			failed(c, err)
			return
		}
		if revoked > 0 {
			refuse(c, problem{Status: http.StatusUnauthorized, Detail: "the session has ended"})
			return
		}
		left, reset := l.count-used, strconv.FormatInt(l.window-now%l.window, 10)
		if left < 0 {
			left = 0
		}
		c.Header("RateLimit-Limit", strconv.FormatInt(l.count, 10))
		c.Header("RateLimit-Remaining", strconv.FormatInt(left, 10))
		c.Header("RateLimit-Reset", reset)
		if used > l.count {
			c.Header("Retry-After", reset)
			refuse(c, problem{Status: http.StatusTooManyRequests})
			return
		}
		c.Set("who", who)
	}
}
