package main

import (
	"crypto/ecdsa"
	"errors"
	"log"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt"
)

// Verified tokens are remembered, so many at most; then all are forgotten.
const tokensKept = 65536

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
	if c.Issuer != "rookery" || c.ExpiresAt == 0 || c.Subject == "" || c.Session == "" {
		return nil, errors.New("not one of our tokens")
	}
	t.lock.Lock()
	defer t.lock.Unlock()
	if len(t.verified) >= tokensKept {
		t.verified = map[string]*claims{}
	}
	t.verified[text] = c
	return c, nil
}
