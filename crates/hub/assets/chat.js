// The page /: rooms to talk in, on top of sockeye.js. A room is the channel `chat:ROOM`; what its members call
// themselves stands in `names:ROOM`, so that the talk's own history holds nothing else.

import { Sockeye } from '/sockeye.js';

const byId = (id) => document.getElementById(id);
const TRANSPORTS = ['websocket', 'sse', 'long_poll', 'poll'];
const TITLES = { websocket: 'WebSocket', sse: 'Server-Sent Events', long_poll: 'Long polling', poll: 'Polling' };
const RTT_MS = 5000;
const WHO_IS_HERE_MS = 5000;
const NAME_AGAIN_MS = 500;
/** How long a room that was just entered is not read aloud: what comes first is its history. */
const SILENCE_MS = 1000;
/** Each has two channels, of the 32 that an event stream may have. */
const MAX_ROOMS = 12;
const MAX_NAME = 40;
/** Bytes of a channel's name behind `names:`. */
const MAX_CHANNEL = 255 - 'names:'.length;

const storage = {
  get: (key, otherwise) => {
    try {
      return localStorage.getItem(key) ?? otherwise;
    } catch {
      return otherwise; // storage may be switched off
    }
  },
  set: (key, value) => {
    try {
      localStorage.setItem(key, value);
    } catch { /* then it is not remembered */ }
  },
};

const parameters = new URLSearchParams(location.search);
const sockeye = new Sockeye('/stream', {
  transports: chosenTransports(parameters.get('transport') ?? ''),
  pingInterval: RTT_MS,
  interval: 1000,
});
/** By name, the one entered last at the end. */
const rooms = new Map();
let room;
/** Why there is no connection, and when the next one is tried. */
let lost;

/** One room: what was said, who is there, and what they call themselves. */
class Room {
  unread = 0;
  people = new Map();
  names = new Map();
  /** What this page said and what has not come back: nonce -> { data, item, isTaken, isFailed }, in the order of the list's end. */
  waiting = new Map();
  /** The time of the last message, and of the last one that was read. */
  latest = 0;
  #announcing = 0;

  constructor(name, read = 0) {
    this.name = name;
    this.read = read;
    this.channel = `chat:${encoded(name)}`;
    this.list = document.createElement('ol');
    this.entry = document.createElement('li');
    this.button = document.createElement('button');
    this.button.type = 'button';
    this.button.onclick = () => enter(this.name);
    this.entry.append(this.button);
    byId('rooms').append(this.entry);
  }

  start() {
    this.talk = sockeye.subscribe(this.channel, (message) => this.receive(message), { since: 'start' });
    this.talk.addEventListener('join', (event) => {
      this.people.set(event.client, event);
      this.announce();
      this.showPeople();
    });
    this.talk.addEventListener('leave', (event) => {
      this.people.delete(event.client);
      this.showPeople();
    });
    this.talk.addEventListener('gap', () => {
      for (const [nonce, { isTaken }] of this.waiting) if (isTaken) this.waiting.delete(nonce); // they will not come back
      this.note('Some messages are missing: the server no longer has them.');
    });
    this.talk.addEventListener('error', (event) => complain(event.error));
    this.calls = sockeye.subscribe(`names:${encoded(this.name)}`, ({ data, meta }) => {
      if (typeof data !== 'string' || !meta.client) return;
      this.names.set(meta.client, data.slice(0, MAX_NAME));
      this.showPeople();
    }, { since: 'start' });
    this.showButton();
  }

  leave() {
    clearTimeout(this.#announcing);
    this.talk.unsubscribe();
    this.calls.unsubscribe();
    this.entry.remove();
  }

  /** Says this page's name, once for all who came within a moment. */
  announce() {
    clearTimeout(this.#announcing);
    this.#announcing = setTimeout(() => {
      sockeye.publish(`names:${encoded(this.name)}`, name()).catch(complainUnlessLate);
    }, NAME_AGAIN_MS);
  }

  async askWhoIsHere() {
    try {
      const members = await sockeye.presence(this.channel);
      if (members.some(({ client }) => !this.people.has(client))) this.announce();
      this.people = new Map(members.map((member) => [member.client, member]));
      this.showPeople();
    } catch (error) {
      complainUnlessLate(error);
    }
  }

  /** Shows at once what is said here; it has its place in the talk when it comes back. */
  say(text) {
    const data = { name: name(), text, nonce: newNonce() };
    const one = { data, item: itemOf(data, Date.now()) };
    one.item.classList.add('self');
    const view = this.view();
    view.append(one.item);
    view.scrollTop = view.scrollHeight;
    this.waiting.set(data.nonce, one);
    this.send(one);
  }

  /** The key lets the server publish it once, however often it is sent. */
  async send(one) {
    one.isFailed = false;
    mark(one.item, 'sending…');
    this.showButton();
    try {
      await sockeye.publish(this.channel, one.data, { key: one.data.nonce });
      one.isTaken = true;
      mark(one.item);
    } catch (error) {
      if (!this.waiting.has(one.data.nonce)) return; // it has come back all the same
      one.isFailed = true;
      const again = element('button', 'Send again');
      again.type = 'button';
      again.onclick = () => this.send(one);
      mark(one.item, `Not sent: ${error.message}. `, again);
      this.showButton();
    }
  }

  receive({ data, meta }) {
    if (typeof data?.text !== 'string') return; // someone else's message, such as by curl
    const own = this.waiting.get(data.nonce);
    const item = itemOf(data, meta.time, own?.item);
    if (own) this.waiting.delete(data.nonce);
    else item.classList.toggle('self', meta.client === sockeye.client);
    this.show(item);
    this.latest = Math.max(this.latest, meta.time);
    if (this === room) this.read = this.latest;
    else if (meta.time > this.read) this.unread += 1;
    this.showButton();
  }

  note(text) {
    this.show(element('li', text, 'note'));
  }

  view() {
    return this === room ? byId('messages') : this.list;
  }

  /** Puts it behind what has come, before what has not come back. */
  show(item) {
    const view = this.view();
    const atEnd = view.scrollHeight - view.scrollTop - view.clientHeight < 80;
    const next = this.waiting.values().next().value?.item ?? null;
    if (item.parentNode !== view || item.nextSibling !== next) view.insertBefore(item, next);
    if (atEnd) view.scrollTop = view.scrollHeight;
  }

  showButton() {
    const badge = [...this.waiting.values()].some(({ isFailed }) => isFailed) ? 'not sent' : this.unread || '';
    const shown = [element('bdi', this.name), ...(badge ? [element('span', badge, 'unread')] : [])];
    if (this.button.textContent !== `${this.name}${badge}`) this.button.replaceChildren(...shown);
    if (this === room) this.button.setAttribute('aria-current', 'true');
    else this.button.removeAttribute('aria-current');
  }

  /** This page is always among those who are here, whatever the server has told so far. */
  showPeople() {
    if (this !== room) return;
    const titleOf = (client, member) => {
      const title = this.names.get(client) ?? member.info?.name ?? member.user;
      return typeof title === 'string' ? title.slice(0, MAX_NAME) : `Guest ${client.slice(0, 4)}`;
    };
    const items = [...this.people].filter(([client]) => client !== sockeye.client).map(([client, member]) => {
      const item = element('li', '');
      item.append(element('bdi', titleOf(client, member)));
      return item;
    });
    const self = element('li', '', 'self');
    self.append(element('bdi', name()), ' (you)');
    items.push(self);
    items.sort((a, b) => a.textContent.localeCompare(b.textContent));
    byId('people').replaceChildren(...items);
    write(byId('people-count'), String(items.length));
  }
}

function element(tag, text, className = '') {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

/** The list's item of a message, or `item` made that. */
function itemOf({ name, text }, milliseconds, item = document.createElement('li')) {
  const time = new Date(milliseconds);
  const stamp = element('time', time.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }));
  stamp.dateTime = time.toISOString();
  const who = typeof name === 'string' && name !== '' ? name.slice(0, MAX_NAME) : 'Guest';
  const said = element('span', text, 'text');
  said.dir = 'auto';
  item.replaceChildren(element('bdi', who, 'who'), ' ', stamp, said, element('span', '', 'status'));
  return item;
}

/** What has become of a message. */
function mark(item, ...parts) {
  item.querySelector('.status').replaceChildren(...parts);
}

/** Writes only what has changed, so that nothing is read aloud twice. */
function write(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

function newNonce() {
  return [...crypto.getRandomValues(new Uint32Array(2))].map((word) => word.toString(36)).join('-');
}

function name() {
  return byId('name').value.trim().slice(0, MAX_NAME) || 'Guest';
}

/** A room's name in a channel's: bytes that this may not have stand as %XX. */
function encoded(roomName) {
  const escape = (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
  return encodeURIComponent(roomName).replace(/[~*'()]/g, escape);
}

/** A room's name out of anything; '' if nothing of it is left. */
function clean(text) {
  const plain = text.normalize().replace(/[\p{Cc}\p{Cs}]/gu, ' ').trim().toLowerCase().replace(/\s+/g, '-');
  const letters = [...plain].slice(0, MAX_NAME);
  while (encoded(letters.join('')).length > MAX_CHANNEL) letters.pop();
  return letters.join('');
}

function openRoom(roomName, read) {
  const made = new Room(roomName, read);
  rooms.set(roomName, made);
  made.start();
  return made;
}

function enter(roomName) {
  const next = rooms.get(roomName) ?? openRoom(roomName);
  rooms.delete(roomName);
  rooms.set(roomName, next);
  const last = room;
  showMessagesOf(next, last);
  room.unread = 0;
  room.read = room.latest;
  last?.showButton();
  room.showButton();
  write(byId('room-title'), roomName);
  document.title = `${roomName} – Sockeye chat`;
  room.showPeople();
  room.askWhoIsHere();
  remember('room', roomName);
  leaveOldest();
  keepRooms();
}

let silence;

/** Swaps the talk. A screen reader is to read what is new, not the whole of it. */
function showMessagesOf(next, last) {
  const view = byId('messages');
  view.setAttribute('aria-live', 'off');
  clearTimeout(silence);
  silence = setTimeout(() => view.setAttribute('aria-live', 'polite'), SILENCE_MS);
  last?.list.replaceChildren(...view.childNodes);
  room = next;
  view.replaceChildren(...next.list.childNodes);
  view.scrollTop = view.scrollHeight;
}

/** Of too many rooms the one that was entered longest ago goes, unless something waits there to be sent again. */
function leaveOldest() {
  if (rooms.size <= MAX_ROOMS) return;
  const oldest = [...rooms.values()].find((each) => each !== room && each.waiting.size === 0);
  oldest?.leave();
  rooms.delete(oldest?.name);
}

function keepRooms() {
  storage.set('sockeye-rooms', JSON.stringify([...rooms.values()].map((each) => [each.name, each.read])));
}

/** The rooms of the last visit, and until when they were read. */
function keptRooms() {
  try {
    const kept = JSON.parse(storage.get('sockeye-rooms', '[]')).map(([text, read]) => [clean(String(text)), Number(read)]);
    return kept.filter(([roomName]) => roomName !== '').slice(-MAX_ROOMS);
  } catch {
    return []; // something else has written there
  }
}

/** Keeps a choice in the page's address, so that a reload and a link have it too. */
function remember(key, value) {
  const now = new URLSearchParams(location.search);
  if (value === '') now.delete(key);
  else now.set(key, value);
  history.replaceState(null, '', `?${now}`);
}

function chosenTransports(transport) {
  return TRANSPORTS.includes(transport) ? [transport] : TRANSPORTS;
}

function complain(error, what = 'That did not work') {
  write(byId('trouble-text'), `${what}: ${error.message}`);
  byId('trouble').hidden = false;
}

/** For what is asked again as soon as there is a connection. */
function complainUnlessLate(error) {
  if (error.name !== 'timeout' && error.name !== 'closed') complain(error);
}

function showState() {
  const { transport, rtt } = sockeye;
  const closed = sockeye.readyState === Sockeye.CLOSED;
  const state = byId('state');
  state.dataset.state = closed ? 'closed' : transport ? 'open' : 'connecting';
  write(state, closed ? 'Closed' : transport ? TITLES[transport] : lost ? lost.text : 'Connecting');
  // Beside the status, so that no one has to listen to it count.
  const seconds = lost ? Math.max(0, Math.ceil((lost.until - performance.now()) / 1000)) : 0;
  write(byId('retry'), !lost || closed ? '' : seconds > 0 ? `, trying again in ${seconds} s` : ', trying again');
  const time = !transport || rtt === undefined ? '–' : rtt < 10 ? rtt.toFixed(1) : String(Math.round(rtt));
  write(byId('round-trip'), `${time} ms`);
}

// Whoever was here when the connection broke may have gone, and may not know this page's name: ask and tell again.
function showConnection({ reason = '', delay = 0 }) {
  if (sockeye.transport) {
    lost = undefined;
    byId('trouble').hidden = true;
    rooms.forEach((each) => {
      each.askWhoIsHere();
      each.announce();
    });
  } else {
    const what = sockeye.readyState === Sockeye.CONNECTING ? 'No connection' : 'Connection lost';
    lost = { text: reason ? `${what} (${reason.replace(/\.$/, '')})` : what, until: performance.now() + delay };
  }
  showState();
}

function wire() {
  byId('name').value = storage.get('sockeye-name', `Guest ${Math.floor(1000 * Math.random())}`);
  byId('name').onchange = () => {
    storage.set('sockeye-name', name());
    rooms.forEach((each) => each.announce());
    room.showPeople();
  };
  const chosen = chosenTransports(parameters.get('transport') ?? '');
  byId('transport').value = chosen.length === 1 ? chosen[0] : '';
  byId('transport').onchange = (event) => {
    sockeye.transports = chosenTransports(event.target.value);
    remember('transport', event.target.value);
  };
  byId('say').onsubmit = (event) => {
    event.preventDefault();
    const text = byId('text').value.trim();
    byId('text').value = '';
    if (text !== '') room.say(text);
  };
  byId('add-room').onsubmit = (event) => {
    event.preventDefault();
    const wanted = clean(byId('room-name').value);
    if (wanted !== '') enter(wanted);
    byId('room-name').value = '';
    byId('text').focus();
  };
  byId('reload').onclick = () => location.reload();
  const short = matchMedia('(max-height: 30rem)');
  const fold = () => { byId('people-panel').open = !short.matches; };
  short.onchange = fold;
  fold();
}

function connect() {
  sockeye.ontransport = showConnection;
  sockeye.onopen = () => room.showPeople();
  sockeye.onclose = ({ code, reason }) => {
    showState();
    complain(new Error(reason || `code ${code}`), 'The connection has ended');
    byId('reload').hidden = false;
  };
  setInterval(showState, 500);
  // No poll tells who comes and goes between two of them.
  setInterval(() => {
    if (sockeye.transport === 'poll' || sockeye.transport === 'long_poll') room.askWhoIsHere();
  }, WHO_IS_HERE_MS);
  addEventListener('pagehide', keepRooms);
}

wire();
connect();
for (const [roomName, read] of keptRooms()) openRoom(roomName, read);
enter(clean(parameters.get('room') ?? '') || 'lobby');
