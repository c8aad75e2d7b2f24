// zitadel/oidc: the certified library with its own example of a storage, in memory.
//
// usage: zitadel PORT ISSUER USERS REDIRECT CLIENT SECRET LIFETIME
//
// USERS is a file with the users. Access tokens are said to expire after LIFETIME seconds.
package main

import (
	"context"
	"log"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// shortLived is a storage whose access tokens have a lifetime of five minutes.
type shortLived struct {
	*storage.Storage
	lifetime time.Duration
}

func (s shortLived) CreateAccessAndRefreshTokens(
	ctx context.Context, request op.TokenRequest, current string,
) (string, string, time.Time, error) {
	access, refresh, _, err := s.Storage.CreateAccessAndRefreshTokens(ctx, request, current)
	return access, refresh, time.Now().Add(s.lifetime), err
}

func main() {
	port, issuer, file, redirect := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	lifetime, err := time.ParseDuration(os.Args[7] + "s")
	if err != nil {
		log.Fatal(err)
	}
	users, err := storage.StoreFromFile(file)
	if err != nil {
		log.Fatal(err)
	}
	storage.RegisterClients(storage.WebClient(os.Args[5], os.Args[6], redirect))
	kept := shortLived{storage.NewStorage(users), lifetime}
	router := exampleop.SetupServer(issuer, kept, slog.Default(), false)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+port, router))
}
