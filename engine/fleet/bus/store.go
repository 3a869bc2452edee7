//go:build fleet

package bus

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"homellm/engine/exit"
	"homellm/engine/replace"
)

// Store is the folder of a broker: its keys, its certificate and its streams.
type Store struct{ Dir string }

// member is a key as the broker knows it.
type member struct {
	Name   string    `json:"name"`
	Role   Role      `json:"role"`
	Public string    `json:"public_key"`
	Added  time.Time `json:"added"`
}

// members is the file of the keys that the broker admits.
type members struct {
	Address string   `json:"address"` // at which keys find it
	Keys    []member `json:"keys"`
}

func (s Store) path(name string) string { return filepath.Join(s.Dir, name) }

const membersFile = "fleet.json"

// read reads the keys; without a file there are none.
func (s Store) read() (members, error) {
	var m members
	data, err := os.ReadFile(s.path(membersFile))
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &m)
	}
	if err != nil {
		return m, exit.Errorf(exit.Environment, "", "reading the keys of the fleet: %w", err)
	}
	return m, nil
}

// usersFile has the keys as the configuration of a NATS server has them.
const usersFile = "users.conf"

func (s Store) write(m members) error {
	users, err := configured(m)
	if err == nil {
		err = s.saveBytes(usersFile, users)
	}
	if err == nil {
		err = s.save(membersFile, m)
	}
	return err
}

// save writes a file that only its owner can read.
func (s Store) save(name string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err == nil {
		err = s.saveBytes(name, append(data, '\n'))
	}
	return err
}

func (s Store) saveBytes(name string, data []byte) error {
	err := replace.File(s.path(name), func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	if err == nil {
		err = os.Chmod(s.path(name), 0o600)
	}
	if err != nil {
		return exit.Errorf(exit.Environment, "choose another folder with --store", "%w", err)
	}
	return nil
}

// Outside makes a folder for the keys of a fleet whose brokers are not homellm's. Their certificates are vouched for
// by the authorities of a PEM file; without one, by those that the machine of the key trusts.
func (s Store) Outside(address, authorities string) error {
	if m, err := s.read(); err != nil || m.Address != "" {
		return errors.Join(err, exit.Errorf(exit.Usage, "homellm fleet key add makes another key of it; --store names "+
			"another folder", "there is a fleet in %s", s.Dir))
	}
	var ca []byte
	if authorities != "" {
		data, err := os.ReadFile(authorities)
		if err == nil && !x509.NewCertPool().AppendCertsFromPEM(data) {
			err = fmt.Errorf("%s has no certificate in PEM", authorities)
		}
		if err != nil {
			return exit.Errorf(exit.Usage, "", "%w", err)
		}
		ca = data
	}
	for a := range strings.SplitSeq(address, ",") {
		if u, err := url.Parse(strings.TrimSpace(a)); err != nil || u.Host == "" {
			return exit.Errorf(exit.Usage, "write it like nats://a:4222,nats://b:4222", "%q is no address of a broker", a)
		}
	}
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return exit.Errorf(exit.Environment, "choose another folder with --store", "%w", err)
	}
	if ca != nil {
		if err := s.saveBytes(authorityFile, ca); err != nil {
			return err
		}
	}
	_, err := s.open(address)
	return err
}

// open makes the folder with its first keys, and returns the keys that are admitted.
func (s Store) open(address string) (members, error) {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return members{}, exit.Errorf(exit.Environment, "choose another folder with --store", "%w", err)
	}
	m, err := s.read()
	if err != nil {
		return m, err
	}
	first := len(m.Keys) == 0
	m.Address = address
	if err := s.write(m); err != nil || !first {
		return m, err
	}
	for _, role := range []Role{Operator, Worker} {
		if _, err := s.Add(string(role), role); err != nil {
			return m, err
		}
	}
	return s.read()
}

// Add makes a key, and returns the path of its file.
func (s Store) Add(name string, role Role) (path string, err error) {
	m, err := s.begun()
	if err != nil {
		return "", err
	}
	switch {
	case !Named(name):
		return "", exit.Errorf(exit.Usage, "a name has letters, digits, - and _", "no key can be called %q", name)
	case role != Worker && role != Operator:
		return "", exit.Errorf(exit.Usage, "roles are worker and operator", "there is no role %q", role)
	case m.find(name) >= 0:
		return "", exit.Errorf(exit.Usage, "homellm fleet key revoke "+name, "there is a key %q", name)
	}
	ca, err := s.authority()
	if err != nil {
		return "", err
	}
	k, of, err := newKey(name, role, m.Address, ca)
	if err != nil {
		return "", err
	}
	of.Added = time.Now().UTC().Truncate(time.Second)
	file := name + ".key"
	if err := s.save(file, k); err != nil {
		return "", err
	}
	m.Keys = append(m.Keys, of)
	return s.path(file), s.write(m)
}

// Revoke makes a key invalid. A broker that runs closes its connections within seconds.
func (s Store) Revoke(name string) error {
	m, err := s.begun()
	if err != nil {
		return err
	}
	i := m.find(name)
	if i < 0 {
		return exit.Errorf(exit.Usage, "homellm fleet key list", "there is no key %q", name)
	}
	m.Keys = slices.Delete(m.Keys, i, i+1)
	if err := s.write(m); err != nil {
		return err
	}
	if err := os.Remove(s.path(name + ".key")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return exit.Errorf(exit.Environment, "", "%w", err)
	}
	return nil
}

// Listed is a key that is admitted.
type Listed struct {
	Name  string
	Role  Role
	Added time.Time
}

// Keys lists the keys that are admitted.
func (s Store) Keys() ([]Listed, error) {
	m, err := s.begun()
	var out []Listed
	for _, k := range m.Keys {
		out = append(out, Listed{k.Name, k.Role, k.Added})
	}
	return out, err
}

// begun reads the keys of a folder in which a broker was started.
func (s Store) begun() (members, error) {
	m, err := s.read()
	if err == nil && m.Address == "" {
		err = exit.Errorf(exit.Usage, "start one with homellm fleet serve, or name its folder with --store",
			"there is no fleet in %s", s.Dir)
	}
	return m, err
}

func (m members) find(name string) int {
	return slices.IndexFunc(m.Keys, func(k member) bool { return k.Name == name })
}
