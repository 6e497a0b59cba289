#include "processor/peer_cipher.h"

#include "base/bytes.h"
#include "base/env.h"

#include <span>

namespace holdfast::processor {

namespace {

SecretString key_for(const SecretString& id_secret, std::string_view purpose) {
    return SecretString{to_hex(hmac_sha256(id_secret.reveal(), purpose))};
}

SegmentHeader header_with(const JournalKey& key, const JournalKey::Salt& salt) {
    return {.number = 1, .first_sequence = 1, .key_id = key.id(), .salt = salt};
}

SegmentHeader fresh_header(Env& env, const JournalKey& key) {
    JournalKey::Salt salt{};
    env.fill_random(std::as_writable_bytes(std::span(salt)));
    return header_with(key, salt);
}

std::unexpected<Error> refused(std::string why) {
    return fail(ErrorClass::Invalid, "peer_message_refused", std::move(why));
}

} // namespace

PeerCipher::PeerCipher(Env& env, const SecretString& id_secret, std::string_view purpose)
    : key_(key_for(id_secret, purpose)),
      header_(fresh_header(env, key_)),
      cipher_(key_, header_, SegmentCipher::Use::Seal) {}

Result<std::string> PeerCipher::seal(std::string_view message) {
    if (message.size() > message_bytes_max)
        return fail(ErrorClass::Overload, "peer_message_too_large",
                    "What is to be told to another process does not fit into a message.");
    return std::string(chars(header_.salt)) + cipher_.seal(++sealed_, 0, message);
}

Result<std::string> PeerCipher::open(std::string_view sealed) const {
    JournalKey::Salt salt{};
    if (sealed.size() < salt.size() + record_header_bytes)
        return refused("This is no message of a process.");
    sealed.substr(0, salt.size()).copy(reinterpret_cast<char*>(salt.data()), salt.size());
    const std::string_view record = sealed.substr(salt.size());
    const auto header = decode_record_header(record);
    if (!header || header->length > message_bytes_max ||
        record.size() != record_bytes(header->length))
        return refused("This is no message of a process, or not all of it.");
    SegmentCipher cipher(key_, header_with(key_, salt), SegmentCipher::Use::Open);
    auto message = cipher.open(record, *header);
    if (!message)
        return refused(
            "This was not sealed with this platform's id secret; do all processes have the same?");
    return *std::move(message);
}

} // namespace holdfast::processor
