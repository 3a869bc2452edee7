// Reads {file, config, texts} as JSON from standard input and writes the token ids of every text, as Hugging Face's own
// JavaScript implementation finds them with the tokenizer.json of the file.
import { readFileSync } from "node:fs";
import { Tokenizer } from "@huggingface/tokenizers";

const read = (path) => JSON.parse(readFileSync(path, "utf8"));
const { file, config, texts } = read(0);
const tokenizer = new Tokenizer(read(file), read(config));
console.log(JSON.stringify(texts.map((text) => tokenizer.encode(text, { add_special_tokens: false }).ids)));
