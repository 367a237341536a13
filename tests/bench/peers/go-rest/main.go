// go-rest: the operations that are measured (send, list, sync) as a Go server would have them, over the same schema and
// functions, the same Redis and the same tokens as the farm it is measured beside.
//
//	PGHOST=RUN/pg-socket PGDATABASE=rookery PGUSER=rookery PEER_PORT=9001 PEER_REDIS=RUN/redis/redis.sock \
//	PEER_KEYS=RUN/keys PEER_LIMIT_MESSAGES=3000/60 PEER_LIMIT_SYNC=600/60 PEER_MESSAGE_MAX=65536 \
//	PEER_STREAM_KEEP=20000 go-rest
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/gomodule/redigo/redis"
	"github.com/jackc/pgx/v4/pgxpool"
)

const poolSize = 16

type server struct {
	db         *pgxpool.Pool
	redis      *redis.Pool
	tokens     *tokens
	messageMax int
	streamKeep string
}

type limit struct {
	class         string
	count, window int64
}

func setting(name string) string {
	value := os.Getenv("PEER_" + name)
	if value == "" {
		log.Fatalf("PEER_%s is not set", name)
	}
	return value
}

func limitSetting(class, name string) limit {
	l := limit{class: class}
	if _, err := fmt.Sscanf(setting(name), "%d/%d", &l.count, &l.window); err != nil {
		log.Fatalf("PEER_%s is not COUNT/SECONDS", name)
	}
	return l
}

func openDatabase() *pgxpool.Pool {
	config, err := pgxpool.ParseConfig("") // PGHOST and so on
	if err != nil {
		log.Fatal(err)
	}
	config.MaxConns = poolSize
	config.ConnConfig.RuntimeParams["timezone"] = "UTC"
	db, err := pgxpool.ConnectConfig(context.Background(), config)
	if err != nil {
		log.Fatal(err)
	}
	return db
}

func openRedis() *redis.Pool {
	path := setting("REDIS")
	return &redis.Pool{
		MaxIdle: poolSize, MaxActive: poolSize, Wait: true, IdleTimeout: time.Minute,
		Dial: func() (redis.Conn, error) { return redis.Dial("unix", path) },
	}
}

func main() {
	messageMax, err := strconv.Atoi(setting("MESSAGE_MAX"))
	if err != nil {
		log.Fatal("PEER_MESSAGE_MAX is not a number")
	}
	s := &server{
		db: openDatabase(), redis: openRedis(), tokens: newTokens(setting("KEYS")),
		messageMax: messageMax, streamKeep: setting("STREAM_KEEP"),
	}
	nameFieldsAsJSON()
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	router.Use(gin.Recovery())
	api := router.Group("/api/v1")
	messages, sync := limitSetting("messages", "LIMIT_MESSAGES"), limitSetting("sync", "LIMIT_SYNC")
	api.POST("/conversations/:id/messages", s.admit(messages), s.send)
	api.GET("/conversations/:id/messages", s.admit(sync), s.list)
	api.GET("/messages/sync", s.admit(sync), s.sync)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+setting("PORT"), router))
}
