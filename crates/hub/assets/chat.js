// The page /: rooms to talk in, on top of sockeye.js. A room is the channel `chat:ROOM`; what its members call
// themselves stands in `names:ROOM`, so that the talk's own history holds nothing else.

import { Sockeye } from '/sockeye.js';

const byId = (id) => document.getElementById(id);
const TRANSPORTS = ['websocket', 'sse', 'long_poll', 'poll'];
const TITLES = { websocket: 'WebSocket', sse: 'Server-Sent Events', long_poll: 'Long polling', poll: 'Polling' };
const RTT_MS = 5000;
const NAME_AGAIN_MS = 500;

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
const rooms = new Map();
let room;

/** One room: what was said, who is there, and what they call themselves. */
class Room {
  unread = 0;
  people = new Map();
  names = new Map();
  #announcing = 0;

  constructor(name) {
    this.name = name;
    this.channel = `chat:${name}`;
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
    this.talk.addEventListener('gap', () => this.note('Some messages are missing: the server no longer has them.'));
    this.talk.addEventListener('error', (event) => complain(event.error));
    sockeye.subscribe(`names:${this.name}`, (message) => {
      this.names.set(message.meta.client, String(message.data));
      this.showPeople();
    }, { since: 'start' });
    this.askWhoIsHere();
  }

  /** Says this page's name, once for all who came within a moment. */
  announce() {
    clearTimeout(this.#announcing);
    this.#announcing = setTimeout(() => {
      sockeye.publish(`names:${this.name}`, name()).catch(complain);
    }, NAME_AGAIN_MS);
  }

  async askWhoIsHere() {
    try {
      const members = await sockeye.presence(this.channel);
      this.people = new Map(members.map((member) => [member.client, member]));
      this.announce();
      this.showPeople();
    } catch (error) {
      complain(error);
    }
  }

  receive({ data, meta }) {
    if (typeof data?.text !== 'string') return; // someone else's message, such as by curl
    const item = document.createElement('li');
    item.classList.toggle('self', meta.client === sockeye.client);
    const time = new Date(meta.time);
    const stamp = element('time', time.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }));
    stamp.dateTime = time.toISOString();
    item.append(element('span', String(data.name || 'Guest'), 'who'), ' ', stamp, element('span', data.text, 'text'));
    this.show(item);
    if (this !== room) {
      this.unread += 1;
      this.showButton();
    }
  }

  note(text) {
    this.show(element('li', text, 'note'));
  }

  show(item) {
    if (this !== room) {
      this.list.append(item);
      return;
    }
    const view = byId('messages');
    const atEnd = view.scrollHeight - view.scrollTop - view.clientHeight < 80;
    view.append(item);
    if (atEnd) view.scrollTop = view.scrollHeight;
  }

  showButton() {
    this.button.replaceChildren(this.name);
    if (this.unread > 0) this.button.append(element('span', String(this.unread), 'unread'));
    this.button.toggleAttribute('aria-current', this === room);
  }

  showPeople() {
    if (this !== room) return;
    const titleOf = (client, member) => {
      if (client === sockeye.client) return `${name()} (you)`;
      return this.names.get(client) ?? member.info?.name ?? member.user ?? `Guest ${client.slice(0, 4)}`;
    };
    const items = [...this.people].map(([client, member]) => {
      const item = element('li', titleOf(client, member));
      item.classList.toggle('self', client === sockeye.client);
      return item;
    });
    items.sort((a, b) => a.textContent.localeCompare(b.textContent));
    byId('people').replaceChildren(...items);
  }
}

function element(tag, text, className = '') {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function name() {
  return byId('name').value.trim() || 'Guest';
}

function enter(roomName) {
  if (room) room.list.replaceChildren(...byId('messages').childNodes);
  let next = rooms.get(roomName);
  if (!next) {
    next = new Room(roomName);
    rooms.set(roomName, next);
    next.start();
  }
  const last = room;
  room = next;
  room.unread = 0;
  last?.showButton();
  room.showButton();
  byId('room-title').textContent = roomName;
  byId('messages').replaceChildren(...room.list.childNodes);
  byId('messages').scrollTop = byId('messages').scrollHeight;
  room.showPeople();
  history.replaceState(null, '', `?${withRoom(roomName)}`);
}

function withRoom(roomName) {
  const now = new URLSearchParams(location.search);
  now.set('room', roomName);
  return now;
}

function chosenTransports(transport) {
  return TRANSPORTS.includes(transport) ? [transport] : TRANSPORTS;
}

function complain(error) {
  byId('trouble').textContent = `That did not work: ${error.message}`;
  byId('trouble').hidden = false;
}

function showState() {
  const state = byId('state');
  const { transport } = sockeye;
  const closed = sockeye.readyState === Sockeye.CLOSED;
  state.dataset.state = closed ? 'closed' : transport ? 'open' : 'connecting';
  state.textContent = closed ? 'Closed' : transport ? TITLES[transport] : 'Connecting';
  const { rtt } = sockeye;
  byId('round-trip').textContent = rtt === undefined ? '– ms' : `${rtt < 10 ? rtt.toFixed(1) : Math.round(rtt)} ms`;
}

// Whoever was here when the connection broke may have gone: ask again.
function showConnection() {
  showState();
  if (!sockeye.transport) return;
  byId('trouble').hidden = true;
  rooms.forEach((each) => each.askWhoIsHere());
}

function wire() {
  byId('name').value = storage.get('sockeye-name', `Guest ${Math.floor(1000 * Math.random())}`);
  byId('name').onchange = () => {
    storage.set('sockeye-name', name());
    rooms.forEach((each) => each.announce());
    room.showPeople();
  };
  byId('transport').value = parameters.get('transport') ?? '';
  byId('transport').onchange = (event) => {
    sockeye.transports = chosenTransports(event.target.value);
  };
  byId('say').onsubmit = (event) => {
    event.preventDefault();
    const text = byId('text').value.trim();
    if (text === '') return;
    byId('text').value = '';
    sockeye.publish(room.channel, { name: name(), text })
      .then(() => { byId('trouble').hidden = true; })
      .catch((error) => {
        if (byId('text').value === '') byId('text').value = text; // nothing that was written is lost
        complain(error);
      });
  };
  byId('add-room').onsubmit = (event) => {
    event.preventDefault();
    const wanted = byId('room-name').value.trim().toLowerCase().replace(/[^a-z0-9_.-]+/g, '-');
    if (wanted !== '') enter(wanted);
    byId('room-name').value = '';
    byId('text').focus();
  };
  sockeye.ontransport = showConnection;
  sockeye.onopen = showConnection;
  sockeye.onclose = ({ code, reason }) => {
    showState();
    complain(new Error(reason || `the server has ended the connection with code ${code}`));
  };
  setInterval(showState, 500);
}

wire();
enter(parameters.get('room') ?? 'lobby');
