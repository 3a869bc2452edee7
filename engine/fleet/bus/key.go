//go:build fleet

package bus

import (
	"encoding/json"
	"fmt"
	"os"

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
	CA      string `json:"certificate_authority,omitempty"` // PEM; empty: the connection is not encrypted
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
