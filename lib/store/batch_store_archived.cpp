#include "base/digest.hpp"
#include "store/batch_store.hpp"
#include "store/milliseconds.hpp"

namespace ble {
namespace {

using Outcome = StoreOutcome::Kind;

// Of a batch without a name whose line nobody remembers: what is left of it names it, which is always the same.
std::string name_of_rest(Batch batch) {
    batch.archive.reset();
    const Sha256 hash = sha256(print_batch(batch));
    return {reinterpret_cast<const char *>(hash.data()), hash.size()};
}

}  // namespace

// It is new when it is not there, whatever is known of its run.
StoreOutcome BatchStore::add_archived(const Batch &batch, StoreResult &result) {
    const auto device = catalog_.device(batch.device_id, true);
    const auto &digest = batch.archive->digest;
    if (!batch.position) {
        const std::string name = digest ? *digest : name_of_rest(batch);
        const auto receipt = receipt_of(batch);
        if (!tables_->batches().insert_hash(name, receipt.at_ms, receipt.lived_s))
            return {Outcome::duplicate, {}};
        insert_batch(batch, device, nullptr, name);
        return {Outcome::stored, {}};
    }
    auto &run = runs_.find(device, batch.position->run_id, batch.hash_id);
    const auto seq = static_cast<std::int64_t>(batch.position->seq);
    if (const auto held = tables_->batches().find(run.id, seq))
        return compared(batch, device, *held, digest, result);
    const auto change = runs_.take(run, seq, lost_span(window_of(batch)));
    if (!change.refused.empty()) return {Outcome::refused, change.refused};
    insert_batch(batch, device, &run, digest);
    return {Outcome::stored, {}};
}

StoreOutcome BatchStore::add_run(const ArchivedRun &archived) {
    auto &run = runs_.find(catalog_.device(archived.device_id, true), archived.run_id, archived.hash_id);
    RunLedger::Part part{archived.from_seq, archived.to_seq, {}};
    for (const auto &gap : archived.gaps)
        part.holes.push_back(
            {gap.from_seq, gap.to_seq, gap.reason, to_milliseconds(gap.noticed_at), lost_span(gap.lost)});
    if (archived.last_end) part.last = {to_milliseconds(*archived.last_end), archived.last_synced};
    part.open_from = archived.open_from;
    const auto change = runs_.merge(run, part);
    return {change.refused.empty() ? Outcome::stored : Outcome::refused, change.refused};
}

}  // namespace ble
