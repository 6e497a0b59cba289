// What every endpoint takes, and by the kind of each parameter what it must refuse.
//
// An endpoint is { ids, valid, takes, required, answers }:
//   ids       kinds of objects that stand at the {} of its path
//   valid     parameters of a request that succeeds, with those ids
//   takes     its parameters, by kind
//   required  those without which it refuses
//   answers   status of the valid request, 200 unless said
// `world` in the functions below is { mine, theirs }: ids of objects by kind, of the account that
// calls and of another one.

const encode = encodeURIComponent;
const prefixes = {
  customer: 'cus',
  payment_method: 'pm',
  payment_intent: 'pi',
  charge: 'ch',
  refund: 're',
  token: 'tok',
  event: 'evt',
  balance_transaction: 'txn',
};

/// An id of that kind that names nothing.
export const missingId = (kind) => `${prefixes[kind]}_0000000000000000000001`;

/// Ids that can't be read as one of that kind, or name nothing of this account's.
export function badIds(kind, world) {
  const other = kind === 'charge' ? 'refund' : 'charge';
  return [
    'x',
    `${prefixes[kind]}_`,
    `${prefixes[kind]}_${'0'.repeat(21)}`,
    `${prefixes[kind]}_${'z'.repeat(22)}`, // over 128 bits
    `${prefixes[kind]}_' OR 1=1 --`,
    world.mine[other],
    missingId(kind),
    world.theirs[kind],
  ];
}

// --- Kinds of parameters ------------------------------------------------------------------------
// Each gives (name, world) => [{ set, code, param, status?, type? }]: parameters to set on top of
// the valid ones (undefined removes one), and the error that this must be.

const single = (name) =>
  ['[]', '[a]', '[0][b]'].map((below) => ({
    set: { [name]: undefined, [name + below]: '1' },
    code: 'parameter_invalid_string',
    param: name,
  }));
const refused = (name, values, code, more = {}) =>
  values.map((value) => ({ set: { [name]: value }, code, param: name, ...more }));
const empty = (name) => refused(name, [''], 'parameter_invalid_empty');

const notIntegers = ['abc', '1.5', '1e3', '0x10', '+1', ' 1', '1 ', '1,000', '１', 'NaN', 'true'];
const hugeIntegers = ['9223372036854775808', '-9223372036854775809', '9'.repeat(400)];

export const integer = (min, max) => (name) => [
  ...single(name),
  ...empty(name),
  ...refused(name, notIntegers, 'parameter_invalid_integer'),
  ...refused(name, hugeIntegers, 'parameter_invalid_integer'),
  ...(min === undefined ? [] : refused(name, [String(min - 1)], 'parameter_invalid_integer')),
  ...(max === undefined ? [] : refused(name, [String(max + 1)], 'parameter_invalid_integer')),
];
export const amount = (name) => [
  ...integer(1)(name),
  ...refused(name, ['-1', '-9223372036854775808'], 'parameter_invalid_integer'),
  ...refused(name, ['100000000', '9223372036854775807'], 'amount_too_large'),
];
export const chargedAmount = (name) => [
  ...amount(name),
  ...refused(name, ['1'], 'amount_too_small'),
];
export const text =
  (max = 5000) =>
  (name) => [...clearedText(max)(name), ...empty(name)];
/// A text that "" clears.
export const clearedText =
  (max = 5000) =>
  (name) => [
    ...single(name),
    ...refused(name, ['x'.repeat(max + 1)], 'parameter_invalid_string'),
    ...refused(name, max > 5000 ? [] : ['€'.repeat(max + 1)], 'parameter_invalid_string'),
  ];
export const email = (name) => [
  ...text(800)(name),
  ...refused(name, ['nobody', '@', 'a@', '@b', 'a b@c.d'], 'email_invalid'),
];
export const flag = (name) => [
  ...single(name),
  ...empty(name),
  ...refused(name, ['maybe', '1', 'TRUE', 'null'], 'parameter_invalid_boolean'),
];
export const choice = (name) => [...clearedChoice(name), ...empty(name)];
export const clearedChoice = (name) => [
  ...single(name),
  ...refused(name, ['nope', 'Card', 'x'.repeat(300)], 'parameter_invalid_enum'),
];
export const currency = (name) => [
  ...single(name),
  ...empty(name),
  ...refused(name, ['xxx', 'us', 'usdd', '$', 'btc'], 'parameter_invalid'),
];
export const id = (kind) => (name, world) => [...clearedId(kind)(name, world), ...empty(name)];
export const clearedId = (kind) => (name, world) => [
  ...single(name),
  ...refused(name, badIds(kind, world), 'resource_missing'),
];
/// A filter of a list: of what names nothing there is nothing, which is no error.
export const filterId = (kind) => (name) => [
  ...single(name),
  ...empty(name),
  ...refused(name, ['x', `${prefixes[kind]}_`, missingId('refund')], 'resource_missing'),
];
export const filterCustomer = (name, world) => id('customer')(name, world);
export const texts = (max) => (name) => [
  ...refused(name, ['x'], 'parameter_invalid_array'),
  ...[
    { [`${name}[a]`]: 'x' },
    { [`${name}[0][a]`]: 'x' },
    { [`${name}[]`]: '' },
    { [`${name}[]`]: 'x'.repeat(max + 1) },
    Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`${name}[${i}]`, 'x'])),
  ].map((set) => ({
    set: { [name]: undefined, ...set },
    code: 'parameter_invalid_array',
    param: name,
  })),
];
export const types = (name) => [
  ...texts(50)(name),
  { set: { [`${name}[]`]: 'bitcoin' }, code: 'parameter_invalid', param: name },
];
export const metadata = (name) => [
  ...refused(name, ['x'], 'parameter_invalid'),
  { set: { [`${name}[]`]: 'x' }, code: 'parameter_invalid', param: name },
  ...[
    [`${name}[${'k'.repeat(41)}]`, 'v'],
    [`${name}[k]`, 'v'.repeat(501)],
    [`${name}[k]`, '€'.repeat(501)],
  ].map(([key, value]) => ({ set: { [key]: value }, code: 'parameter_invalid', param: key })),
  {
    set: { [`${name}[a][b]`]: 'x' },
    code: 'parameter_invalid',
    param: `${name}[a]`,
  },
  {
    set: Object.fromEntries(Array.from({ length: 51 }, (_, i) => [`${name}[k${i}]`, 'v'])),
    code: 'parameter_invalid',
    param: name,
  },
];
/// `set` on top of `base`, without what would contradict it: a parameter has one shape.
export function merge(base, set) {
  const above = Object.keys(set).map((key) => key.replace(/\[\]$/, ''));
  const contradicts = (key) =>
    above.some((name) => key.startsWith(`${name}[`) || name.startsWith(`${key}[`));
  return {
    ...Object.fromEntries(Object.entries(base).filter(([key]) => !contradicts(key))),
    ...set,
  };
}

/// Nested parameters. `beside`: what must stand beside a bad field for it to be the only fault.
export const object =
  (fields, { beside = {}, clears = false } = {}) =>
  (name, world) => {
    const full = (field) => `${name}[${field}]`;
    const companions = Object.fromEntries(Object.entries(beside).map(([f, v]) => [name + f, v]));
    const inside = Object.entries(fields).flatMap(([field, kind]) =>
      kind(full(field), world).map((c) => ({ ...c, set: merge(companions, c.set) })),
    );
    return [
      ...refused(name, clears ? ['x'] : ['x', ''], 'parameter_invalid'),
      { set: { [`${name}[]`]: 'x' }, code: 'parameter_invalid', param: name },
      {
        set: { ...companions, [full('nope')]: 'x' },
        code: 'parameter_unknown',
        param: full('nope'),
      },
      ...inside,
    ];
  };
export const expand = (name) => [
  ...refused(name, ['x'], 'parameter_invalid_array'),
  ...['nothing', 'id', '..', 'data', 'a.b.c.d.e.f', 'x'.repeat(300)].map((path) => ({
    set: { [`${name}[]`]: path },
    code: 'parameter_invalid',
    param: name,
  })),
  {
    set: Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`${name}[${i}]`, 'customer'])),
    code: 'parameter_invalid',
    param: name,
  },
];
/// Accepted for the sake of ordinary integrations, and without any effect.
export const unused = () => [];

const address = {
  city: clearedText(),
  country: clearedText(),
  line1: clearedText(),
  line2: clearedText(),
  postal_code: clearedText(),
  state: clearedText(),
};
const shipping = object(
  {
    address: object(address, { clears: true }),
    name: text(),
    phone: clearedText(),
    carrier: clearedText(),
    tracking_number: clearedText(),
  },
  { beside: { '[name]': 'Ada', '[address][line1]': 'Main St 1' }, clears: true },
);
const billingDetails = object({
  address: object(address, { clears: true }),
  email: (name) => email(name).filter((c) => c.set[name] !== ''),
  name: clearedText(),
  phone: clearedText(),
});
const year = String(new Date().getFullYear() + 2);
const rawCard = { number: '4242424242424242', exp_month: '8', exp_year: year, cvc: '314' };
const cardError = (name, field, value, code) => ({
  set: { [name]: value },
  code,
  param: field,
  status: 402,
  type: 'card_error',
});
const cardFields = {
  number: (name) => [
    ...text(32)(name),
    cardError(name, 'number', '4242424242424241', 'incorrect_number'),
    cardError(name, 'number', '12', 'invalid_number'),
    cardError(name, 'number', '４242424242424242', 'invalid_number'),
  ],
  exp_month: integer(1, 12),
  exp_year: (name) => [
    ...integer(0, 9999)(name),
    cardError(name, 'exp_year', '2019', 'invalid_expiry_year'),
  ],
  cvc: (name) => [...text(4)(name), cardError(name, 'cvc', 'ab', 'invalid_cvc')],
  networks: unused,
};
/// Ids of tokens stand in a text that may also name a built-in one.
const token = (name, world) => [
  ...single(name),
  ...empty(name),
  ...refused(name, badIds('token', world), 'resource_missing'),
  ...refused(name, ['x'.repeat(256)], 'parameter_invalid_string'),
];
const instrument = (name, world) => [
  ...single(name),
  ...refused(name, [...badIds('payment_method', world), 'pm_card_nope'], 'resource_missing'),
  ...refused(name, ['x'.repeat(256)], 'parameter_invalid_string'),
];
const instrumentData = (name, world) => [
  ...object(
    { type: choice, billing_details: billingDetails, metadata, allow_redisplay: choice },
    { beside: { '[type]': 'card', '[card][token]': 'tok_visa' } },
  )(name, world),
  ...object({ card: object(cardFields) }, { beside: withCard('[card]', { '[type]': 'card' }) })(
    name,
    world,
  ),
  ...object({ card: object({ token }) }, { beside: { '[type]': 'card' } })(name, world),
];
function withCard(name, more = {}) {
  const card = Object.entries(rawCard).map(([field, value]) => [`${name}[${field}]`, value]);
  return { ...more, ...Object.fromEntries(card) };
}

const cursor = (kind) => (name, world) => [
  ...single(name),
  ...empty(name),
  ...refused(name, ['nope', missingId(kind), world.theirs[kind]], 'resource_missing'),
  ...refused(name, ['x'.repeat(256)], 'parameter_invalid_string'),
];
const created = (name, world) => [
  ...refused(name, notIntegers, 'parameter_invalid_integer'),
  ...object({ gt: integer(), gte: integer(), lt: integer(), lte: integer() })(name, world).filter(
    (c) => c.set[name] === undefined,
  ),
];
const list = (kind, more = {}) => ({
  valid: {},
  takes: {
    limit: integer(1, 100),
    starting_after: cursor(kind),
    ending_before: (name, world) => [
      ...cursor(kind)(name, world),
      {
        set: { [name]: world.mine[kind], starting_after: world.mine[kind] },
        code: 'parameter_invalid',
        param: name,
      },
    ],
    created,
    expand,
    ...more,
  },
});
const retrieval = (kind, more = {}) => ({ ids: [kind], valid: {}, takes: { expand, ...more } });
const confirmation = {
  capture_method: choice,
  setup_future_usage: clearedChoice,
  error_on_requires_action: flag,
  off_session: text(20),
  payment_method_types: types,
  shipping,
  payment_method: instrument,
  payment_method_data: instrumentData,
  mandate: unused,
  mandate_data: unused,
  radar_options: unused,
  use_stripe_sdk: unused,
  payment_method_options: unused,
  expand,
};
const described = {
  statement_descriptor_suffix: clearedText(22),
  statement_descriptor: clearedText(22),
};
const required = (kind) => (name, world) => [
  ...kind(name, world),
  { set: { [name]: undefined }, code: 'parameter_missing', param: name },
];

// --- The endpoints ------------------------------------------------------------------------------

export const endpoints = {
  'POST /v1/payment_intents': {
    valid: { amount: '1000', currency: 'usd', confirm: 'true', payment_method: 'pm_card_visa' },
    takes: {
      ...confirmation,
      amount: required(chargedAmount),
      currency: required(currency),
      confirm: (name) => flag(name),
      confirmation_method: choice,
      customer: id('customer'),
      description: text(1000),
      receipt_email: email,
      statement_descriptor: text(22),
      statement_descriptor_suffix: text(22),
      transfer_group: text(),
      metadata,
      automatic_payment_methods: object({ enabled: flag, allow_redirects: choice }),
      return_url: text(),
      payment_method_data: (name, world) =>
        instrumentData(name, world).map((c) => ({
          ...c,
          set: { payment_method: undefined, ...c.set },
        })),
      excluded_payment_method_types: unused,
      amount_details: unused,
    },
  },
  'GET /v1/payment_intents': list('payment_intent', { customer: filterId('customer') }),
  'GET /v1/payment_intents/{}': retrieval('payment_intent', {
    client_secret: (name) => [
      ...text(200)(name),
      ...refused(name, ['nope', 'pi_x_secret_y'], 'payment_intent_invalid_parameter'),
    ],
  }),
  'POST /v1/payment_intents/{}': {
    ids: ['payment_intent'],
    valid: { description: 'again' },
    takes: {
      ...described,
      amount: chargedAmount,
      currency,
      capture_method: choice,
      setup_future_usage: clearedChoice,
      customer: clearedId('customer'),
      description: clearedText(1000),
      receipt_email: clearedText(800),
      transfer_group: clearedText(),
      shipping,
      payment_method_types: types,
      metadata,
      payment_method: instrument,
      payment_method_data: instrumentData,
      payment_method_options: unused,
      excluded_payment_method_types: unused,
      amount_details: unused,
      expand,
    },
  },
  'POST /v1/payment_intents/{}/confirm': {
    ids: ['payment_intent'],
    valid: {},
    takes: {
      ...confirmation,
      receipt_email: clearedText(800),
      return_url: clearedText(),
      client_secret: (name) => [
        ...text(200)(name),
        ...refused(name, ['nope'], 'payment_intent_invalid_parameter'),
      ],
    },
  },
  'POST /v1/payment_intents/{}/capture': {
    ids: ['authorized'],
    valid: {},
    takes: {
      ...described,
      amount_to_capture: amount,
      metadata,
      final_capture: (name) => [...flag(name), ...refused(name, ['false'], 'parameter_invalid')],
      expand,
    },
  },
  'POST /v1/payment_intents/{}/cancel': {
    ids: ['payment_intent'],
    valid: {},
    takes: { cancellation_reason: choice, expand },
  },

  'POST /v1/customers': {
    valid: { name: 'Ada' },
    takes: {
      email,
      name: text(256),
      phone: text(20),
      description: text(),
      address: object(address, { clears: true }),
      shipping,
      preferred_locales: texts(35),
      tax_exempt: clearedChoice,
      balance: integer(-9_999_999_999, 9_999_999_999),
      metadata,
      payment_method: (name) => refused(name, ['pm_card_visa', 'x'], 'parameter_invalid'),
      expand,
    },
  },
  'GET /v1/customers': list('customer', { email: text(512) }),
  'GET /v1/customers/{}': retrieval('customer'),
  'POST /v1/customers/{}': {
    ids: ['customer'],
    valid: { name: 'Ada' },
    takes: {
      email: clearedText(512),
      name: clearedText(256),
      phone: clearedText(20),
      description: clearedText(),
      address: object(address, { clears: true }),
      shipping,
      invoice_settings: object({ default_payment_method: clearedId('payment_method') }),
      preferred_locales: texts(35),
      tax_exempt: clearedChoice,
      balance: integer(-9_999_999_999, 9_999_999_999),
      metadata,
      expand,
    },
  },
  'DELETE /v1/customers/{}': { ids: ['customer'], valid: {}, takes: {} },
  'GET /v1/customers/{}/payment_methods': {
    ...list('payment_method', { type: choice }),
    ids: ['customer'],
  },
  'GET /v1/customers/{}/payment_methods/{}': {
    ids: ['customer', 'attached'],
    valid: {},
    takes: { expand },
  },

  'POST /v1/payment_methods': {
    valid: { type: 'card', 'card[token]': 'tok_visa' },
    takes: {
      type: required(choice),
      card: (name, world) => [
        { set: { 'card[token]': undefined }, code: 'parameter_missing', param: name },
        { set: { 'card[token]': undefined, card: 'x' }, code: 'parameter_invalid', param: name },
        ...token('card[token]', world),
        ...object(cardFields, { beside: withCard('', { '[token]': undefined }) })(
          name,
          world,
        ).filter((c) => c.set[name] === undefined),
      ],
      billing_details: billingDetails,
      metadata,
      allow_redisplay: choice,
      expand,
    },
  },
  'GET /v1/payment_methods': list('payment_method', {
    customer: filterCustomer,
    type: choice,
    allow_redisplay: unused,
  }),
  'GET /v1/payment_methods/{}': retrieval('payment_method'),
  'POST /v1/payment_methods/{}': {
    ids: ['attached'],
    valid: { 'metadata[a]': 'b' },
    takes: {
      card: object({ exp_month: integer(1, 12), exp_year: integer(2000, 9999) }),
      billing_details: billingDetails,
      allow_redisplay: choice,
      metadata,
      expand,
    },
  },
  'POST /v1/payment_methods/{}/attach': {
    ids: ['payment_method'],
    valid: (world) => ({ customer: world.mine.customer }),
    takes: { customer: required(id('customer')), expand },
  },
  'POST /v1/payment_methods/{}/detach': { ids: ['attached'], valid: {}, takes: { expand } },

  'POST /v1/tokens': {
    valid: withCard('card'),
    takes: {
      card: (name, world) => [
        ...object({
          ...cardFields,
          name: text(),
          address_city: text(),
          address_country: text(),
          address_line1: text(),
          address_line2: text(),
          address_zip: text(),
          address_state: text(),
        })(name, world).filter((c) => c.set[name] === undefined && !('card[]' in c.set)),
        { set: { 'card[number]': undefined }, code: 'parameter_missing', param: 'card[number]' },
      ],
      expand,
    },
  },
  'GET /v1/tokens/{}': retrieval('token'),

  'GET /v1/charges': list('charge', {
    customer: filterId('customer'),
    payment_intent: filterId('payment_intent'),
  }),
  'GET /v1/charges/{}': retrieval('charge'),
  'POST /v1/charges/{}': {
    ids: ['charge'],
    valid: { description: 'again' },
    takes: {
      description: clearedText(40_000),
      receipt_email: clearedText(800),
      transfer_group: clearedText(),
      shipping,
      metadata,
      expand,
    },
  },
  'POST /v1/charges/{}/capture': {
    ids: ['authorized_charge'],
    valid: {},
    takes: { ...described, amount, expand },
  },
  'GET /v1/charges/{}/refunds': { ...list('refund'), ids: ['charge'] },

  'POST /v1/refunds': {
    valid: (world) => ({ charge: world.mine.charge, amount: '100' }),
    takes: {
      charge: (name, world) => [
        ...id('charge')(name, world),
        { set: { [name]: undefined }, code: 'parameter_missing', param: name },
        {
          set: { payment_intent: world.mine.payment_intent },
          code: 'parameter_invalid',
          param: name,
        },
      ],
      payment_intent: (name, world) =>
        id('payment_intent')(name, world).map((c) => ({
          ...c,
          set: { charge: undefined, ...c.set },
        })),
      amount,
      reason: choice,
      metadata,
      currency: (name) => [...currency(name), ...refused(name, ['eur'], 'currency_mismatch')],
      instructions_email: unused,
      origin: unused,
      refund_application_fee: unused,
      reverse_transfer: unused,
      expand,
    },
  },
  'GET /v1/refunds': list('refund', {
    charge: filterId('charge'),
    payment_intent: filterId('payment_intent'),
  }),
  'GET /v1/refunds/{}': retrieval('refund'),
  'POST /v1/refunds/{}': {
    ids: ['refund'],
    valid: { 'metadata[a]': 'b' },
    takes: { metadata, expand },
  },
  'POST /v1/refunds/{}/cancel': { ids: ['refund'], valid: {}, takes: {}, answers: 400 },

  'GET /v1/events': list('event', { type: text(100), types: texts(100), delivery_success: unused }),
  'GET /v1/events/{}': retrieval('event'),
  'GET /v1/balance': { valid: {}, takes: { expand: unused } },
  'GET /v1/balance_transactions': list('balance_transaction', {
    currency,
    source: (name) => [...text(255)(name), ...refused(name, ['nope', 'ch_'], 'resource_missing')],
    type: (name) => [...text(100)(name), ...refused(name, ['nope'], 'parameter_invalid')],
  }),
  'GET /v1/balance_transactions/{}': retrieval('balance_transaction'),
};

/// A form as text; `undefined` leaves a parameter out.
export const form = (parameters) =>
  Object.entries(parameters)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name.replace(/[^\w[\]]/g, encode)}=${encode(value)}`)
    .join('&');
