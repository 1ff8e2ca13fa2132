// The two small programs of the runbook, in Python: the vendor's library opens a backup, the standard library alone fills
// a broker. They are written out by the runbook itself, so that nothing of Holdfast is needed.

/** Raw RSA and raw AES keyrings of the vendor's library; the message's own context says what it is a part of. */
export const OPEN = `import hashlib, os, sys
import aws_encryption_sdk
from aws_cryptographic_material_providers.mpl import AwsCryptographicMaterialProviders
from aws_cryptographic_material_providers.mpl.config import MaterialProvidersConfig
from aws_cryptographic_material_providers.mpl.models import AesWrappingAlg, CreateRawAesKeyringInput, CreateRawRsaKeyringInput, PaddingScheme
from cryptography.hazmat.primitives import serialization as s
repository, key_file, system, backup, wrapped, part = sys.argv[1:]
folder = os.path.join(repository, 'backups', system, backup)
client = aws_encryption_sdk.EncryptionSDKClient()
materials = AwsCryptographicMaterialProviders(config=MaterialProvidersConfig())
pem = open(key_file, 'rb').read()
public = s.load_pem_private_key(pem, None).public_key().public_bytes(s.Encoding.DER, s.PublicFormat.SubjectPublicKeyInfo)
rsa = materials.create_raw_rsa_keyring(CreateRawRsaKeyringInput(
    key_namespace='holdfast-recipient', key_name=hashlib.sha256(public).hexdigest(), private_key=pem,
    padding_scheme=PaddingScheme.OAEP_SHA256_MGF1))
def check(header, name):
    found = {k: v for k, v in header.encryption_context.items() if not k.startswith('aws-')}
    if (found['system'], found['backup'], found['part']) != (system, backup, name):
        sys.exit(name + ' belongs elsewhere')
key, header = client.decrypt(source=open(os.path.join(folder, wrapped), 'rb').read(), keyring=rsa)
check(header, wrapped)
aes = materials.create_raw_aes_keyring(CreateRawAesKeyringInput(
    key_namespace='holdfast-backup', key_name=system + '/' + backup, wrapping_key=key,
    wrapping_alg=AesWrappingAlg.ALG_AES256_GCM_IV12_TAG16))
with open(os.path.join(folder, part), 'rb') as stored, client.stream(mode='d', source=stored, keyring=aes) as message:
    check(message.header, part)
    for chunk in message:
        sys.stdout.buffer.write(chunk)`;

/**
 * Definitions over the HTTP API, messages over AMQP 0-9-1: properties go back as the bytes they were, because a client
 * library would lose the types of headers. Queues are filled in order, each message confirmed.
 */
export const FILL_BROKER = `import base64, json, os, socket, struct, sys, urllib.parse, urllib.request
API, HOST, PORT = os.environ['MQ_API'], os.environ['MQ_HOST'], int(os.environ.get('MQ_PORT', '5672'))
USER, PASSWORD = os.environ['MQ_USER'], os.environ['MQ_PASSWORD']
LATE = ('policies', 'operator_policies', 'parameters', 'global_parameters')

def api(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(API + '/api/' + path, method=method, data=data)
    request.add_header('authorization', 'Basic ' + base64.b64encode((USER + ':' + PASSWORD).encode()).decode())
    request.add_header('content-type', 'application/json')
    with urllib.request.urlopen(request) as response:
        return json.loads(response.read() or b'null')

# The account that does this keeps its own password, and gets into every virtual host.
def definitions(file, last):
    found = json.load(open(file))
    found['users'] = [one for one in found.get('users', []) if one['name'] != USER]
    for name in () if last else LATE:
        found.pop(name, None)
    api('POST', 'definitions', found)
    for vhost in () if last else found.get('vhosts', []):
        name = urllib.parse.quote(vhost['name'], safe='')
        api('PUT', 'permissions/' + name + '/' + urllib.parse.quote(USER, safe=''), dict.fromkeys(('configure', 'write', 'read'), '.*'))

short = lambda value: bytes([len(value)]) + value
long = lambda value: struct.pack('>I', len(value)) + value
METHOD, HEADER, BODY = 1, 2, 3

class Channel:
    def __init__(self, vhost):
        self.sent = self.acknowledged = 0
        self.socket = socket.create_connection((HOST, PORT))
        self.input = self.socket.makefile('rb')
        self.socket.sendall(b'AMQP\\x00\\x00\\x09\\x01')
        self.expect(10, 10)
        self.method(0, 10, 11, long(b'') + short(b'PLAIN') + long(('\\0' + USER + '\\0' + PASSWORD).encode()) + short(b'en_US'))
        channels, self.most, _ = struct.unpack('>HIH', self.expect(10, 30)[:8])
        self.method(0, 10, 31, struct.pack('>HIH', channels, self.most, 0))
        self.method(0, 10, 40, short(vhost) + short(b'') + b'\\0')
        self.expect(10, 41)
        self.method(1, 20, 10, short(b''))
        self.expect(20, 11)
        self.method(1, 85, 10, b'\\0')
        self.expect(85, 11)

    def frame(self, kind, channel, payload):
        return struct.pack('>BHI', kind, channel, len(payload)) + payload + b'\\xce'

    def method(self, channel, klass, number, arguments):
        self.socket.sendall(self.frame(METHOD, channel, struct.pack('>HH', klass, number) + arguments))

    def receive(self):
        head = self.input.read(7)
        if len(head) < 7:
            sys.exit('the broker closed the connection')
        kind, _, size = struct.unpack('>BHI', head)
        payload = self.input.read(size + 1)[:-1]
        if kind != METHOD:
            return None, b''
        what = struct.unpack('>HH', payload[:4])
        if what == (60, 80):
            tag, multiple = struct.unpack('>QB', payload[4:13])
            self.acknowledged = tag if multiple else self.acknowledged + 1
        elif what in ((60, 120), (60, 50), (10, 50), (20, 40)):
            sys.exit('the broker refused: ' + repr(payload[4:300]))
        return what, payload[4:]

    def expect(self, klass, number):
        while True:
            what, arguments = self.receive()
            if what == (klass, number):
                return arguments

    def count(self, queue):
        self.method(1, 50, 10, b'\\0\\0' + short(queue) + b'\\1' + long(b''))
        answer = self.expect(50, 11)
        return struct.unpack('>I', answer[1 + answer[0]:5 + answer[0]])[0]

    def publish(self, queue, properties, body):
        size = self.most - 8
        head = struct.pack('>HHHHH', 60, 40, 0, 0, 0)[:6] + short(b'') + short(queue) + b'\\1'
        frames = [self.frame(METHOD, 1, head), self.frame(HEADER, 1, struct.pack('>HHQ', 60, 0, len(body)) + properties)]
        frames += [self.frame(BODY, 1, body[at:at + size]) for at in range(0, len(body), size)]
        self.socket.sendall(b''.join(frames))
        self.sent += 1
        self.settle(200)

    def settle(self, open_ones):
        while self.sent - self.acknowledged > open_ones:
            self.receive()

FORMS = 'ssLBBsssstssss'.replace('t', 'T')
FIXED = dict(t=1, b=1, B=1, s=2, u=2, I=4, i=4, f=4, l=8, L=8, d=8, T=8, D=5, V=0)

# What a broker would act upon or refuse travels in a header x-dr-…; what it sets itself is left out.
def republished(properties, drops_deaths):
    flags, at, values, headers = struct.unpack('>H', properties[:2])[0], 2, {}, None
    for index, form in enumerate(FORMS):
        if not flags & (1 << (15 - index)):
            continue
        if form == 'L':
            end = at + 4 + struct.unpack('>I', properties[at:at + 4])[0]
            headers = split(properties[at + 4:end])
        else:
            end = at + dict(s=1 + properties[at], B=1, T=8)[form]
            values[index] = properties[at:end]
        at = end
    kept = [(dict(CC='x-dr-cc', BCC='x-dr-bcc').get(name.decode('latin1'), name.decode('latin1')).encode('latin1'), value)
            for name, value in headers or [] if name not in (b'x-delivery-count', b'x-stream-offset')]
    if drops_deaths:
        kept += [(b'x-dr-x-death', value) for name, value in kept if name == b'x-death']
    if values.get(11, short(USER.encode())) != short(USER.encode()):
        kept.append((b'x-dr-user-id', b'S' + long(values.pop(11)[1:])))
    table = None if headers is None and not kept else long(b''.join(short(name) + value for name, value in kept))
    flags, body = 0, b''
    for index, form in enumerate(FORMS):
        value = table if form == 'L' else values.get(index)
        if value is not None:
            flags, body = flags | 1 << (15 - index), body + value
    return struct.pack('>H', flags) + body

def split(table):
    found, at = [], 0
    while at < len(table):
        name = table[at + 1:at + 1 + table[at]]
        start = at + 1 + table[at]
        kind = chr(table[start])
        size = FIXED[kind] if kind in FIXED else 4 + struct.unpack('>I', table[start + 1:start + 5])[0]
        found.append((name, table[start:start + 1 + size]))
        at = start + 1 + size
    return found

def messages(file):
    drops_deaths = int(api('GET', 'overview')['rabbitmq_version'].split('.')[0]) >= 4
    source = open(file, 'rb')
    if source.read(8) != b'HFMSG1\\r\\n':
        sys.exit(file + ' is no file of messages')
    while tag := source.read(1):
        if tag != b'Q':
            sys.exit('a section was expected')
        head = source.read(struct.unpack('>I', source.read(4))[0])
        size = struct.unpack('>H', head[:2])[0]
        vhost, queue = head[2:2 + size], head[4 + size:]
        channel, filled = Channel(vhost), 0
        full = channel.count(queue) > 0
        while (tag := source.read(1)) == b'M':
            record = source.read(struct.unpack('>I', source.read(4))[0])
            if struct.unpack('>Q', record[:8])[0] != filled:
                sys.exit('a message is missing')
            filled, at = filled + 1, 9
            for _ in range(2):
                at += 1 + record[at]
            end = at + 4 + struct.unpack('>I', record[at:at + 4])[0]
            if not full:
                channel.publish(queue, republished(record[at + 4:end], drops_deaths), record[end:])
        if tag != b'E' or struct.unpack('>Q', source.read(8))[0] != filled:
            sys.exit('the file ends in the middle')
        channel.settle(0)
        channel.socket.close()
        print(repr(vhost), repr(queue), 'holds messages and was left alone' if full else '%d messages' % filled)

if sys.argv[1] == 'messages':
    for one in sys.argv[2:]:
        messages(one)
else:
    definitions(sys.argv[2], sys.argv[1] == 'rest')`;
