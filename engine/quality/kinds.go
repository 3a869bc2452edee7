package quality

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

var (
	people = []string{"Ilse Brandt", "Tomas Vik", "Mira Okafor", "Jonas Reyes", "Aino Salo", "Pavel Dvorak", "Lena Fuchs",
		"Omar Haddad", "Greta Lind", "Nuno Prates"}
	towns  = []string{"Lund", "Bergen", "Graz", "Turku", "Leiden", "Arles", "Brno", "Faro", "Galway", "Siena"}
	things = []string{"lantern", "kettle", "saddle", "compass", "ladder", "barrel", "anchor", "blanket", "mirror",
		"hammer", "basket", "candle", "pillow", "rudder", "trowel", "whistle"}
	colours = []string{"red", "green", "blue", "white", "black", "yellow", "brown", "grey"}
	months  = []string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
		"November", "December"}
)

// arithmetic asks for a whole number that is not negative.
func arithmetic(d *draw, n int) (question, answer string) {
	a, b, c := d.between(12, 89), d.between(12, 89), d.between(3, 9)
	result := 0
	switch n % 6 {
	case 0:
		question, result = fmt.Sprintf("What is %d + %d?", a, b), a+b
	case 1:
		question, result = fmt.Sprintf("What is %d - %d?", a+b, b), a
	case 2:
		question, result = fmt.Sprintf("What is %d times %d?", a, c), a*c
	case 3:
		question, result = fmt.Sprintf("What is %d divided by %d?", a*c, c), a
	case 4:
		pens := of(d, []string{"pens", "apples", "buttons", "marbles", "nails"})
		question = fmt.Sprintf("A box holds %d %s. How many %s do %d such boxes hold?", a, pens, pens, c)
		result = a * c
	default:
		name := first(of(d, people))
		question = fmt.Sprintf("%s has %d stamps, gives %d of them away and then finds %d more. How many stamps does %s "+
			"have now?", name, a+b, b, c, name)
		result = a + c
	}
	return question, strconv.Itoa(result)
}

// first is a first name.
func first(name string) string {
	name, _, _ = strings.Cut(name, " ")
	return name
}

// note is a note about a parcel, with all of its facts.
type note struct {
	text                           string
	who, thing, colour, town, code string
	weight                         int
}

func (d *draw) note() note {
	n := note{who: of(d, people), thing: of(d, things), colour: of(d, colours), town: of(d, towns),
		code: fmt.Sprintf("%c%d", 'A'+d.upTo(26), d.between(1000, 9999)), weight: d.between(11, 98)}
	n.text = fmt.Sprintf("Note: %s sent a %s %s to %s on %d %s. The parcel has the number %s and weighs %d kg.", n.who,
		n.colour, n.thing, n.town, d.between(1, 28), of(d, months), n.code, n.weight)
	return n
}

// extraction asks for a fact of a note.
func extraction(d *draw, n int) (question, answer string) {
	about := d.note()
	switch n % 6 {
	case 0:
		question, answer = "What is the number of the parcel?", about.code
	case 1:
		question, answer = "Which town was it sent to?", about.town
	case 2:
		question, answer = "How many kilograms does it weigh? Write the number alone.", strconv.Itoa(about.weight)
	case 3:
		question, answer = "Who sent it? Write the first and the last name.", about.who
	case 4:
		question, answer = "What colour is what was sent? Write one word.", about.colour
	default:
		question, answer = "What was sent? Write one word, without its colour.", about.thing
	}
	return about.text + " " + question, answer
}

// refusal asks for a fact that a note does not have.
func refusal(d *draw, n int) (question, answer string) {
	missing := []string{"How much did the parcel cost?", "Who received the parcel?", "At what time of day was it sent?",
		"In which street does the sender live?", "How tall is the parcel, in centimetres?", "In which year was it sent?"}
	return d.note().text + " " + missing[n%len(missing)], Unknown
}

// format asks for a form that has to be kept to the letter.
func format(d *draw, n int) (question, answer string) {
	words := some(d, things, 3)
	list := strings.Join(words, ", ")
	switch n % 6 {
	case 0:
		two := words[0] + " " + words[1]
		return fmt.Sprintf("Write these two words in capital letters: %s", two), strings.ToUpper(two)
	case 1:
		month, day, year := d.upTo(len(months)), d.between(1, 28), d.between(2001, 2039)
		return fmt.Sprintf("Write the date %d %s %d in the form YYYY-MM-DD.", day, months[month], year),
			fmt.Sprintf("%d-%02d-%02d", year, month+1, day)
	case 2:
		return fmt.Sprintf("Join these words by semicolons, in this order and without blanks: %s", list),
			strings.Join(words, ";")
	case 3:
		sorted := slices.Sorted(slices.Values(words))
		return fmt.Sprintf("Write these words in alphabetical order, separated by a comma and a blank: %s", list),
			strings.Join(sorted, ", ")
	case 4:
		k := d.between(2, 5)
		return fmt.Sprintf("Write the word %s %d times, separated by single blanks.", words[0], k),
			strings.TrimSpace(strings.Repeat(words[0]+" ", k))
	}
	weight := d.between(11, 98)
	return fmt.Sprintf("Write a JSON object on one line without any blanks, with the key \"item\" for the text %s and "+
		"the key "+
		"\"kg\" for the number %d, in this order.", words[0], weight), fmt.Sprintf(`{"item":"%s","kg":%d}`, words[0], weight)
}

// code asks what a short program prints, on one line.
func code(d *draw, n int) (question, answer string) {
	const ask = "What does this Python program print? Write its output alone.\n"
	a, b, c := d.between(2, 9), d.between(2, 9), d.between(2, 9)
	word := of(d, things)
	switch n % 6 {
	case 0:
		return ask + fmt.Sprintf("print(sum([%d, %d, %d]))", a, b, c), strconv.Itoa(a + b + c)
	case 1:
		return ask + fmt.Sprintf("print(%q[::-1])", word+colours[a%8]), reversed(word + colours[a%8])
	case 2:
		return ask + fmt.Sprintf("print([n * %d for n in [%d, %d, %d]])", c, a, b, a+b),
			fmt.Sprintf("[%d, %d, %d]", c*a, c*b, c*(a+b))
	case 3:
		return ask + fmt.Sprintf("total = %d\nfor n in range(%d):\n    total += %d\nprint(total)", a, b, c),
			strconv.Itoa(a + b*c)
	case 4:
		return ask + fmt.Sprintf("print(len(%q) * %d)", word, c), strconv.Itoa(len(word) * c)
	}
	return ask + fmt.Sprintf("words = [%q, %q]\nprint('-'.join(sorted(words)).upper())", word, colours[a%8]),
		strings.ToUpper(min(word, colours[a%8]) + "-" + max(word, colours[a%8]))
}

func reversed(word string) string {
	runes := []rune(word)
	slices.Reverse(runes)
	return string(runes)
}
