#include "processor/marks.h"

#include "base/codec.h"
#include "core/names.h"
#include "core/snapshot.h"

#include <utility>

namespace holdfast::processor {

struct MarkedObject {
    core::ObjectKind kind = core::ObjectKind::PaymentIntent;
    std::string bytes;
};
template <class A> void fields(A& archive, MarkedObject& v) { archive(v.kind, v.bytes); }

struct MarkedAnswer {
    Uuid replay_key, request_id;
    std::uint64_t fingerprint = 0;
    WallTime created;
    std::string answer; ///< core::encode_answer
};
template <class A> void fields(A& archive, MarkedAnswer& v) {
    archive(v.replay_key, v.request_id, v.fingerprint, v.created, v.answer);
}

struct MarkForm {
    Id<core::Account> account;
    Uuid payment;
    bool held = false;
    std::vector<MarkedObject> objects;
    std::vector<MarkedAnswer> answers;
};
template <class A> void fields(A& archive, MarkForm& v) {
    archive(v.account, v.payment, v.held, v.objects, v.answers);
}

struct MessageForm {
    std::string process;
    Uuid life;
    std::uint64_t number = 0;
    bool whole = false;
    std::vector<MarkForm> marks;
};
template <class A> void fields(A& archive, MessageForm& v) {
    archive(v.process, v.life, v.number, v.whole, v.marks);
}

namespace {

constexpr std::uint8_t mark_version = 1;
/// Lengths, ids and times of a mark and of each part of it, at most.
constexpr std::size_t mark_head_bytes = 64;

MarkForm form_of(const Mark& mark) {
    MarkForm form{.account = mark.payment.account,
                  .payment = mark.payment.id,
                  .held = mark.held,
                  .objects = {},
                  .answers = {}};
    for (const core::Snapshot& object : mark.objects)
        form.objects.push_back({object.kind, object.bytes});
    for (const core::ReplayRecord& told : mark.answers)
        form.answers.push_back({told.replay_key, told.request_id, told.fingerprint, told.created,
                                core::encode_answer(told.answer)});
    return form;
}

Result<Mark> mark_of(MarkForm form) {
    Mark mark{
        .payment = {form.account, form.payment}, .held = form.held, .objects = {}, .answers = {}};
    for (MarkedObject& object : form.objects)
        mark.objects.push_back({object.kind, std::move(object.bytes)});
    for (const MarkedAnswer& told : form.answers) {
        TRY(core::Answer answer, core::decode_answer(told.answer));
        mark.answers.push_back({.account = form.account,
                                .replay_key = told.replay_key,
                                .fingerprint = told.fingerprint,
                                .request_id = told.request_id,
                                .created = told.created,
                                .answer = std::move(answer)});
    }
    return mark;
}

} // namespace

std::size_t bytes_of(const Mark& mark) {
    std::size_t bytes = mark_head_bytes;
    for (const core::Snapshot& object : mark.objects)
        bytes += mark_head_bytes + object.bytes.size();
    for (const core::ReplayRecord& told : mark.answers)
        bytes += 2 * mark_head_bytes + core::encode_answer(told.answer).size();
    return bytes;
}

MarkCipher::MarkCipher(Env& env, const SecretString& id_secret)
    : cipher_(env, id_secret, "holdfast marks") {}

Result<std::string> MarkCipher::seal(const MarkMessage& message) {
    MessageForm form{.process = message.process,
                     .life = message.life,
                     .number = message.number,
                     .whole = message.whole,
                     .marks = {}};
    for (const Mark& mark : message.marks) form.marks.push_back(form_of(mark));
    return cipher_.seal(encode_versioned(mark_version, form));
}

Result<MarkMessage> MarkCipher::open(std::string_view sealed) const {
    TRY(const std::string payload, cipher_.open(sealed));
    TRY(MessageForm form, decode_versioned<MessageForm>(payload, mark_version, "mark"));
    MarkMessage message{.process = std::move(form.process),
                        .life = form.life,
                        .number = form.number,
                        .whole = form.whole,
                        .marks = {}};
    for (MarkForm& mark : form.marks) {
        TRY(Mark told, mark_of(std::move(mark)));
        message.marks.push_back(std::move(told));
    }
    return message;
}

} // namespace holdfast::processor
