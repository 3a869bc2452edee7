// The official clients of OpenAI and Anthropic read the simulator: read.mjs http://HOST:PORT
import assert from 'node:assert/strict'
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'

const [, , address] = process.argv
const model = 'qwen2.5-3b'
const openai = new OpenAI({ baseURL: `${address}/v1`, apiKey: 'none', maxRetries: 0 })
const anthropic = new Anthropic({ baseURL: address, apiKey: 'none', maxRetries: 0 })

const system = 'The head bolts take 41 Nm.'
const question = 'How tight are the head bolts?'
const torque = /41 Nm/
const order = 'Why does it fail?\nCALL read_file {"path": "parser.go"}'
const parameters = { type: 'object', properties: { path: { type: 'string' } }, required: ['path'] }
const path = { path: 'parser.go' }

const checks = {
  async 'chat completions, streamed, with a call and its result'() {
    const tools = [{ type: 'function', function: { name: 'read_file', parameters } }]
    const messages = [{ role: 'user', content: order }]
    const first = await openai.chat.completions.stream({ model, messages, tools }).finalChatCompletion()
    const { message, finish_reason } = first.choices[0]
    assert.equal(finish_reason, 'tool_calls')
    assert.deepEqual(JSON.parse(message.tool_calls[0].function.arguments), path)
    messages.push(message, { role: 'tool', tool_call_id: message.tool_calls[0].id, content: 'It fails at the end of a line.' })
    const second = await openai.chat.completions.create({ model, messages, tools })
    assert.match(second.choices[0].message.content, /end of a line/)
  },

  async 'chat completions to a schema'() {
    const schema = { type: 'object', properties: { unit: { enum: ['Nm'] }, torque: { type: 'integer', minimum: 41 } } }
    const reply = await openai.chat.completions.create({ model, messages: [{ role: 'user', content: question }],
      response_format: { type: 'json_schema', json_schema: { name: 'part', schema } } })
    assert.deepEqual(JSON.parse(reply.choices[0].message.content), { torque: 41, unit: 'Nm' })
  },

  async 'responses, streamed'() {
    let text = ''
    const stream = openai.responses.stream({ model, instructions: system, input: question })
    stream.on('response.output_text.delta', e => { text += e.delta })
    const last = await stream.finalResponse()
    assert.match(text, torque)
    assert.equal(last.output_text, text)
    assert.equal(last.status, 'completed')
    assert.equal(last.usage.total_tokens, last.usage.input_tokens + last.usage.output_tokens)
  },

  async 'responses, whole, with a call and its result'() {
    const tools = [{ type: 'function', name: 'read_file', parameters, strict: false }]
    const input = [{ role: 'user', content: order }]
    const first = await openai.responses.create({ model, input, tools })
    const call = first.output.find(item => item.type === 'function_call')
    assert.deepEqual(JSON.parse(call.arguments), path)
    input.push(...first.output, { type: 'function_call_output', call_id: call.call_id, output: 'It fails at the end of a line.' })
    const second = await openai.responses.create({ model, input, tools })
    assert.match(second.output_text, /end of a line/)
  },

  async 'responses, cut, and with a call in a stream'() {
    const cut = await openai.responses.create({ model, instructions: system, input: question, max_output_tokens: 2 })
    assert.equal(cut.status, 'incomplete')
    assert.equal(cut.incomplete_details.reason, 'max_output_tokens')
    const tools = [{ type: 'function', name: 'read_file', parameters, strict: false }]
    const last = await openai.responses.stream({ model, input: order, tools }).finalResponse()
    assert.deepEqual(JSON.parse(last.output[0].arguments), path)
  },

  async 'messages, streamed and counted'() {
    const body = { model, system, max_tokens: 64, messages: [{ role: 'user', content: question }] }
    const stream = anthropic.messages.stream(body)
    let text = ''
    stream.on('text', piece => { text += piece })
    const last = await stream.finalMessage()
    assert.match(text, torque)
    assert.equal(last.content[0].text, text)
    assert.equal(last.stop_reason, 'end_turn')
    const { input_tokens } = await anthropic.messages.countTokens({ model, system, messages: body.messages })
    assert.equal(last.usage.input_tokens + last.usage.cache_read_input_tokens, input_tokens)
    const again = await anthropic.messages.create(body)
    assert.equal(again.usage.input_tokens + again.usage.cache_read_input_tokens, input_tokens)
  },

  async 'messages that think'() {
    const last = await anthropic.messages.stream({ model, system, max_tokens: 2048,
      thinking: { type: 'enabled', budget_tokens: 1024 }, messages: [{ role: 'user', content: question }] }).finalMessage()
    assert.deepEqual(last.content.map(block => block.type), ['thinking', 'text'])
    assert.notEqual(last.content[0].thinking, '')
    assert.match(last.content[1].text, torque)
  },

  async 'messages with a call and its result'() {
    const tools = [{ name: 'read_file', input_schema: parameters }]
    const messages = [{ role: 'user', content: order }]
    const first = await anthropic.messages.stream({ model, max_tokens: 64, messages, tools }).finalMessage()
    const call = first.content.find(block => block.type === 'tool_use')
    assert.equal(first.stop_reason, 'tool_use')
    assert.deepEqual(call.input, path)
    messages.push({ role: 'assistant', content: first.content }, { role: 'user', content: [
      { type: 'tool_result', tool_use_id: call.id, content: 'It fails at the end of a line.' }] })
    const second = await anthropic.messages.create({ model, max_tokens: 64, messages, tools })
    assert.match(second.content[0].text, /end of a line/)
  },

  async 'errors have the class of their status'() {
    const messages = [{ role: 'user', content: question }]
    await assert.rejects(anthropic.messages.create({ model: 'none', max_tokens: 8, messages }), Anthropic.NotFoundError)
    await assert.rejects(openai.responses.create({ model: 'none', input: question }), OpenAI.NotFoundError)
    await assert.rejects(openai.chat.completions.create({ model, messages, logprobs: true, top_logprobs: 3 }),
      OpenAI.BadRequestError)
  },
}

for (const [name, check] of Object.entries(checks)) {
  await check().catch(error => { throw new Error(`${name}: ${error.message}`, { cause: error }) })
  console.log(`ok  ${name}`)
}
