//go:build fleet

package bus

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"homellm/engine/fleet"
)

// signed is a pair of keys with the claims of its account or user, signed by another pair.
type signed struct {
	pair   nkeys.KeyPair
	public string
	token  string
}

func sign(t *testing.T, by nkeys.KeyPair, pair nkeys.KeyPair, claims func(public string) jwt.Claims) signed {
	t.Helper()
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	token, err := claims(public).Encode(by)
	if err != nil {
		t.Fatal(err)
	}
	return signed{pair, public, token}
}

func made(t *testing.T, make func() (nkeys.KeyPair, error)) nkeys.KeyPair {
	t.Helper()
	pair, err := make()
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// serveAccounts starts a NATS server that admits the users of an account, and returns its address and the account.
func serveAccounts(t *testing.T) (address string, account nkeys.KeyPair) {
	t.Helper()
	operator := made(t, nkeys.CreateOperator)
	resolver := &server.MemAccResolver{}
	accounts := map[string]signed{}
	for _, name := range []string{"SYS", "FLEET"} {
		a := sign(t, operator, made(t, nkeys.CreateAccount), func(public string) jwt.Claims {
			c := jwt.NewAccountClaims(public)
			c.Name = name
			if name == "FLEET" {
				c.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1}
			}
			return c
		})
		if err := resolver.Store(a.public, a.token); err != nil {
			t.Fatal(err)
		}
		accounts[name] = a
	}
	root := sign(t, operator, operator, func(public string) jwt.Claims { return jwt.NewOperatorClaims(public) })
	trusted, err := jwt.DecodeOperatorClaims(root.token)
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true, JetStream: true,
		StoreDir: t.TempDir(), TrustedOperators: []*jwt.OperatorClaims{trusted}, AccountResolver: resolver,
		SystemAccount: accounts["SYS"].public})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("the server is not ready")
	}
	return s.ClientURL(), accounts["FLEET"].pair
}

// creds writes the credentials of a user, who may do what a key of the role may.
func creds(t *testing.T, account nkeys.KeyPair, name string, role Role) string {
	t.Helper()
	u := sign(t, account, made(t, nkeys.CreateUser), func(public string) jwt.Claims {
		c := jwt.NewUserClaims(public)
		c.Name = name
		if p := users(members{Keys: []member{{Name: name, Role: role, Public: public}}})[0].Permissions; p != nil {
			c.Pub.Allow, c.Sub.Allow = p.Publish.Allow, p.Subscribe.Allow
		}
		return c
	})
	seed, err := u.pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	data, err := jwt.FormatUserConfig(u.token, seed)
	path := filepath.Join(t.TempDir(), name+".creds")
	if err == nil {
		err = os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestCredentials has users of an account of a NATS server play a run, with credentials in the place of keys.
func TestCredentials(t *testing.T) {
	t.Parallel()
	address, account := serveAccounts(t)
	r := &rig{t: t}
	dial := func(name string, role Role) *Conn {
		key, err := Credentials(creds(t, account, name, role), address, role)
		if err != nil {
			t.Fatal(err)
		}
		if key.Name != name {
			t.Errorf("the user is called %q, want %q", key.Name, name)
		}
		c, err := Dial(t.Context(), address, key, r.say)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.nc.Close)
		return c
	}
	conn := dial("anna", Operator)
	r.joinAs(dial("attic", Worker), "attic", write)
	c, cells := r.coordinatorOn(conn, 6)
	if p := r.play(c, cells); p.boxes["attic"] != 6 {
		t.Errorf("played on %v", p.boxes)
	}
	boxes, err := conn.Boxes(t.Context())
	if err != nil || len(boxes) != 1 || boxes[0].Key != "attic" || boxes[0].Protocol != fleet.Protocol {
		t.Errorf("boxes %+v, %v", boxes, err)
	}
}

// TestCredentials_Wrong checks what is said of files that are none.
func TestCredentials_Wrong(t *testing.T) {
	account := made(t, nkeys.CreateAccount)
	none := filepath.Join(t.TempDir(), "none")
	const text = "-----BEGIN NATS USER JWT-----\na.b.c\n------END NATS USER JWT------\n"
	if err := os.WriteFile(none, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ path, address, says string }{
		{none + "x", "nats://a", "no such file"},
		{none, "nats://a", "has no credentials of a user"},
		{creds(t, account, "anna", Worker), "", "do not say the address"},
		{creds(t, account, "a.b", Worker), "nats://a", `can be called "a.b"`},
	} {
		if _, err := Credentials(tt.path, tt.address, Worker); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %q", tt.path, err, tt.says)
		}
	}
}
