//go:build fleet

package bus

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/nats-io/nkeys"

	"homellm/engine/exit"
)

// Role says what a key may do.
type Role string

// The roles.
const (
	Worker   Role = "worker"   // takes jobs and sends what it played
	Operator Role = "operator" // plays runs, looks at everything
)

const keySchema = "homellm.fleet-key/v1"

// Key is what a box or an operator needs to reach a fleet. Its file is a secret.
type Key struct {
	Schema  string `json:"schema"`
	Name    string `json:"name"`
	Role    Role   `json:"role"`
	Address string `json:"address"`
	Seed    string `json:"seed"`
	CA      string `json:"certificate_authority,omitempty"` // PEM; empty: the broker decides whether to encrypt
	creds   string // path of credentials in their place
}

// ReadKey reads the file of a key.
func ReadKey(path string) (Key, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Key{}, exit.Errorf(exit.Usage, "homellm fleet serve makes the first keys, homellm fleet key add others", "%w",
			err)
	}
	var k Key
	if err := json.Unmarshal(data, &k); err != nil || k.Schema != keySchema {
		return Key{}, exit.Errorf(exit.Usage, "name a file that homellm fleet key add wrote", "%s is not the key of a fleet",
			path)
	}
	if _, err := nkeys.FromSeed([]byte(k.Seed)); err != nil || !Named(k.Name) {
		return Key{}, exit.Errorf(exit.Usage, "copy the file again", "%s: the key is damaged", path)
	}
	return k, nil
}

// Credentials are those of a user of NATS, as nsc writes them, in the place of a key. The server decides what the user
// may do.
func Credentials(path, address string, role Role) (Key, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Key{}, exit.Errorf(exit.Usage, "name the file that nsc generate creds wrote", "%w", err)
	}
	if address == "" {
		return Key{}, exit.Errorf(exit.Usage, "name it, such as nats://a:4222,nats://b:4222",
			"credentials do not say the address of the fleet")
	}
	var user struct {
		Name string `json:"name"`
	}
	token, err := nkeys.ParseDecoratedJWT(data)
	if err == nil {
		_, err = nkeys.ParseDecoratedUserNKey(data)
	}
	parts := strings.Split(token, ".")
	if err != nil || len(parts) != 3 {
		return Key{}, exit.Errorf(exit.Usage, "name the file that nsc generate creds wrote",
			"%s has no credentials of a user of NATS", path)
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(claims, &user)
	}
	if err != nil || !Named(user.Name) {
		return Key{}, exit.Errorf(exit.Usage, "a name has letters, digits, - and _; nsc add user NAME makes another",
			"%s: no box or operator can be called %q", path, user.Name)
	}
	return Key{Schema: keySchema, Name: user.Name, Role: role, Address: address, creds: path}, nil
}

// newKey makes a key, and returns what the broker knows of it.
func newKey(name string, role Role, address, ca string) (Key, member, error) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return Key{}, member{}, fmt.Errorf("making a key: %w", err)
	}
	seed, err := pair.Seed()
	if err != nil {
		return Key{}, member{}, fmt.Errorf("making a key: %w", err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		return Key{}, member{}, fmt.Errorf("making a key: %w", err)
	}
	k := Key{Schema: keySchema, Name: name, Role: role, Address: address, Seed: string(seed), CA: ca}
	return k, member{Name: name, Role: role, Public: public}, nil
}
