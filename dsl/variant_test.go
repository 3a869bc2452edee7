package dsl

import (
	"strings"
	"testing"
)

const variantServers = `servers:
  mine:
    extends: llamacpp
    launch: {flags: {batch_size: 2048, threads: 2, mlock: true}, env: {A: "1"}}
    variants:
      ubatch:
        small: {flags: {ubatch_size: 256, mlock: null}}
        large: {flags: {ubatch_size: 1024}}
      threads:
        default: {}
        four: {flags: {threads: 4}, env: {A: "2", B: "3"}, context_tokens: 8192}
  more:
    extends: mine
    variants: {ubatch: {large: null, huge: {flags: {ubatch_size: 2048}}}}
  elsewhere: {extends: mine, attach: {url: "http://10.0.0.2:80"}}
`

func variantLibrary(t *testing.T) *Library {
	t.Helper()
	lib, diags := LoadLibrary(append(shippedFiles(t), serversFile(variantServers))...)
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	return lib
}

// A variant sets flags in their places, adds new ones, and takes out those that are null.
func TestWith(t *testing.T) {
	lib := variantLibrary(t)
	s, wrong, _ := lib.Server("mine").With([]Label{{"threads", "four"}, {"ubatch", "small"}})
	if wrong != "" {
		t.Fatal(wrong)
	}
	values := map[string]string{"port": "1", "context_tokens": "8192", "model.file": "m", "model.served_name": "m"}
	argv := strings.Join(s.Launch.argv(values), " ")
	if !strings.HasSuffix(argv, " --batch-size 2048 --threads 4 --ubatch-size 256") {
		t.Errorf("started with %s", argv)
	}
	if env := strings.Join(s.Launch.Environ(nil), " "); env != "A=2 B=3" {
		t.Errorf("environment %s", env)
	}
	if s.ContextTokens != 8192 || s.Instance() != "mine@ubatch=small,threads=four" {
		t.Errorf("%s serves %d tokens", s.Instance(), s.ContextTokens)
	}
	own := lib.Server("mine")
	if argv := strings.Join(own.Launch.argv(values), " "); own.Instance() != "mine" || own.ContextTokens != 16384 ||
		!strings.HasSuffix(argv, " --batch-size 2048 --threads 2 --mlock") {
		t.Errorf("the profile itself has changed: %s", argv)
	}
	if same, _, _ := own.With(nil); same != own {
		t.Error("without a choice it is another server")
	}
}

func TestChoices(t *testing.T) {
	var got []string
	for _, c := range variantLibrary(t).Server("more").Choices([]Label{{"threads", "four"}}) {
		got = append(got, Coordinates(c))
	}
	if all := strings.Join(got, "; "); all != "ubatch=small, threads=four; ubatch=huge, threads=four" {
		t.Error(all)
	}
}

// What is wrong with a choice is said before anything is started.
func TestPlan_RefusesAChoice(t *testing.T) {
	lib := variantLibrary(t)
	for _, c := range []struct {
		server string
		chosen []Label
		want   string
	}{
		{"mine", []Label{{"ubatch", "smal"}},
			`--variant ubatch=smal: ubatch of server mine has no variant "smal" did you mean "small"?`},
		{"mine", []Label{{"ubacht", "small"}}, `--variant ubacht=small: server mine has no variants "ubacht" did you mean "ubatch"?`},
		{"mine", []Label{{"zzz", "small"}}, `--variant zzz=small: server mine has no variants "zzz" it has: ubatch, threads`},
		{"more", []Label{{"ubatch", "large"}}, `--variant ubatch=large: ubatch of server more has no variant "large" it has: small, huge`},
		{"mine", []Label{{"ubatch", "small"}, {"ubatch", "large"}},
			`--variant ubatch=small --variant ubatch=large: ubatch is chosen twice a server is started with one of them`},
		{"sim", []Label{{"ubatch", "small"}}, `--variant ubatch=small: server sim has no variants add variants: to its ` +
			`profile, or name another one with --server`},
		{"elsewhere", []Label{{"ubatch", "small"}}, `--variant ubatch=small: server elsewhere is not started by homellm, so ` +
			`its variants have no effect name a profile that is started`},
		{"mine", []Label{{"threads", "four"}}, `--variant threads: the matrix of the scenario has an axis of this name call ` +
			`the axis or the variants otherwise`},
	} {
		matrix := ""
		if strings.HasPrefix(c.want, "--variant threads:") {
			matrix = "matrix: {threads: [1, 2]}\n"
		}
		f := scenario(matrix + "vars: {n: 1}\nconversations:\n  - {id: c, steps: [{id: s, ask: Hello}]}\n")
		_, diags := Load(f, lib, vocabulary, Options{Servers: []string{c.server}, Variants: [][]Label{c.chosen}})
		var got []string
		for _, d := range diags {
			if d.Code == "plan/variant" {
				got = append(got, d.Message+" "+d.Help)
			}
		}
		if all := strings.Join(got, "; "); all != c.want {
			t.Errorf("got  %s\nwant %s", all, c.want)
		}
	}
}

// A choice is another cell; variants that are there and not chosen change nothing.
func TestPlan_Variants(t *testing.T) {
	lib := variantLibrary(t)
	f := scenario("conversations:\n  - {id: c, steps: [{id: s, ask: Hello, reply: Yes}]}\n")
	load := func(lib *Library, variants ...[]Label) *Plan {
		p, diags := Load(f, lib, vocabulary, Options{Servers: []string{"mine"}, Model: "qwen2.5-0.5b", Variants: variants})
		if p == nil {
			t.Fatal(diags)
		}
		return p
	}
	plain := load(lib)
	small, large := []Label{{"ubatch", "small"}}, []Label{{"ubatch", "large"}}
	both := load(lib, small, large)
	if len(both.Cells) != 2 || both.Cells[0].String() != "mine x qwen2.5-0.5b x ubatch=small" ||
		both.Cells[1].Server.Instance() != "mine@ubatch=large" || both.Cells[0].Scenario == both.Cells[1].Scenario {
		t.Fatalf("cells %v", both.Cells)
	}
	if one := load(lib, small); one.Cells[0].ID != both.Cells[0].ID || one.Cells[0].ID == plain.Cells[0].ID ||
		one.Cells[0].ID == both.Cells[1].ID || one.Digest == plain.Digest {
		t.Error("a choice is not part of the cell's identity")
	}
	bare, _, _ := strings.Cut(variantServers, "    variants:")
	without, diags := LoadLibrary(append(shippedFiles(t), serversFile(bare))...)
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	if load(without).Cells[0].ID != plain.Cells[0].ID {
		t.Error("variants that are not chosen have changed the cell")
	}
}
