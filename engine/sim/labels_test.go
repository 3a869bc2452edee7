package sim

import (
	"encoding/json"
	"testing"
)

// A reply with a schema contains the values that lines of the conversation give, the latest first.
func TestLabels(t *testing.T) {
	const schema = `{"type":"object","properties":{"order_number":{"type":"integer"},"customer":{"type":"string"},` +
		`"express":{"type":"boolean"},"carrier":{"enum":["rail","road"]},"articles":{"type":"array","items":` +
		`{"type":"string"}},"weight":{"type":"number"},"door":{"type":"object","properties":{"gate":{"type":"string"}}},` +
		`"remark":{"type":"string","maxLength":5}}}`
	chat := labels{{"system", "Customer: Nobody"}, {"user", "Order number: 1\nCustomer: Orrell\nGate: north"},
		{"assistant", "Order number: 2"},
		{"user", "- Order number: 4711\nExpress: yes, at night\nCarrier: by Road\nArticles: walnuts, larch\nWeight: 12.5 kg."}}
	got, err := json.Marshal(chat.read(json.RawMessage(schema), "quiet day"))
	const want = `{"articles":["walnuts","larch"],"carrier":"road","customer":"Orrell","door":{"gate":"north"},"express":true,` +
		`"order_number":4711,"remark":"quiet","weight":12.5}`
	if err != nil || string(got) != want {
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}
}
