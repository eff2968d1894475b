#include "spool/durable_spool.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace ble {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr std::size_t page_bytes = 256 * 1024, page_rows = 512;  // read ahead, at most
// So many may be sent again after a kill. More than one look at a full pipe brings of 1 KB each: in a flood they go with its lines.
constexpr std::size_t many_removals = 1200;
constexpr std::uint64_t reserve_step = 1000;
constexpr std::chrono::minutes age_step(
    10);  // a power cut takes so much of it, and what could not be written

}  // namespace

DurableSpool::DurableSpool(const std::string &path, Bounds bounds, SpoolClocks clocks)
    : path_(path),
      bounds_(bounds),
      limit_(bounds.max_age),
      file_(path),
      database_(file_.database()),
      disk_(database_),
      rows_(database_),
      saved_(rows_.state()),
      clock_(std::move(clocks), saved_.age, saved_.reserved) {
    const auto held = rows_.sum();
    batches_ = held.batches, bytes_ = held.bytes;
    load();
}

DurableSpool::~DurableSpool() {
    try {
        if (batches_ > 0)
            save(std::chrono::seconds(1));
        else
            commit_removals();
    } catch (const std::exception &error) {
        log_warning(std::string(error.what()) + ": some delivered batches will be sent again");
    }
}

// Begins anew with what the file says, at start and after a transaction that failed: all but the counts of what it
// holds. What is in flight and what is removed stays so.
void DurableSpool::load() {
    saved_ = rows_.state();
    next_id_ = std::max(next_id_, saved_.reserved);
    loss_ = saved_.loss;
    ahead_.clear();
    ahead_bytes_ = 0, read_to_ = 0;
    load_gaps();
    read_ahead();
}

void DurableSpool::load_gaps() {
    gaps_.clear();
    clock_.look();
    rows_.read_gaps([this](const SpoolRows::Row &row) {
        if (removed_gaps_.contains(row.id) || in_flight_.contains(row.id)) return;
        GapLedger::Item item{clock_.since(row.id, row.came), nullptr, {}};
        const ParsedLine parsed = row.ours ? parser_.parse(std::string(row.line)) : InvalidLine();
        if (const auto *gap = std::get_if<Gap>(&parsed)) item.grows = std::make_unique<Gap>(*gap);
        gaps_.put(row.id, std::move(item));
    });
    // What a transaction that failed did not save, what is in flight included. A batch may then be told of twice, which
    // is harmless.
    std::erase_if(touched_, [this](auto id) { return !in_flight_.contains(id); });
    for (const auto &[id, lost] : given_up_)
        if (!in_flight_.contains(id)) tell(id, lost);
}

// As long as a batch waits, the oldest one is in ahead_.
void DurableSpool::read_ahead() {
    const std::size_t waiting = batches_ - (in_flight_.size() - gaps_in_flight_);
    if (!ahead_.empty() || waiting == 0) return;
    clock_.look();
    rows_.read_batches_after(read_to_, [this](const SpoolRows::Row &row) {
        read_to_ = row.id;
        if (!in_flight_.contains(row.id) && !removed_.contains(row.id)) {
            ahead_bytes_ += row.line.size();
            ahead_.emplace_hint(ahead_.end(), row.id,
                                Item{std::string(row.line), clock_.since(row.id, row.came), false, {}});
        }
        return ahead_.size() < page_rows && ahead_bytes_ < page_bytes;
    });
}

std::size_t DurableSpool::push(std::span<const std::string_view> lines, WhenFull when_full) {
    const bool must_wait = full() && when_full == WhenFull::wait && !oldest_is_too_old();
    if (lines.empty() || must_wait || !disk_.may_write()) return 0;
    if (database_.moved())
        throw Error(ExitCode::io, "the spool " + path_ + " was renamed or deleted while in use");
    if (!has_room()) {
        commit_removals();
        if (!has_room()) {
            disk_.wait("the disk of " + path_ +
                       " is nearly full: the space that is left is kept for removing delivered batches");
            return 0;
        }
    }
    lines = lines.first(std::min(lines.size(), most_lines_));
    const auto batches = batches_;
    const auto bytes = bytes_;
    try {
        const std::size_t taken = store(lines, when_full);
        if (lines.size() == most_lines_) most_lines_ += most_lines_;
        disk_.worked();
        read_ahead();
        return taken;
    } catch (const SqliteError &error) {
        undo(error, batches, bytes);
        most_lines_ = std::max<std::size_t>(lines.size() / 2, 1);  // there may be room for some
        return 0;
    }
}

// All is as it was before a transaction that failed.
void DurableSpool::undo(const SqliteError &error, std::size_t batches, std::uint64_t bytes) {
    disk_.trouble(error);
    batches_ = batches, bytes_ = bytes;
    load();
}

std::size_t DurableSpool::store(std::span<const std::string_view> lines, WhenFull when_full) {
    const auto came = clock_.now();
    clock_.look();
    const auto stamp = clock_.stamp(came);
    Transaction transaction(database_);
    run_removals();
    std::size_t taken = 0;
    for (const auto line : lines) {
        bool room = true;
        while (full() && room) room = make_room(when_full);
        if (!room && when_full == WhenFull::wait) break;
        const auto id = next_id_++;
        // When all others are in flight it is the newcomer itself that is the oldest to drop.
        if (room)
            insert({id, stamp, line}, came);
        else
            lose(id, Item{std::string(line), came, false, {}}, Cause::full);
        ++taken;
    }
    save_losses();
    save_state(age_step);
    commit(transaction);
    return taken;
}

// Than the file says.
bool DurableSpool::is_older_by(std::chrono::seconds step) const {
    return saved_.age.boot.empty() || clock_.age().lived_s - saved_.age.lived_s >= step.count();
}

// Where it changed, or the age of the spool by so much. It is in the file once commit() has returned.
void DurableSpool::save_state(std::chrono::seconds step) {
    saving_ = saved_;
    if (next_id_ <= saved_.reserved && loss_ == saved_.loss && !is_older_by(step)) return;
    if (next_id_ > saved_.reserved) saving_.reserved = next_id_ + reserve_step;
    saving_.loss = loss_;
    saving_.age = clock_.age();
    rows_.save(saving_);
}

void DurableSpool::insert(const SpoolRows::Row &row, UptimeClock::time_point came) {
    rows_.insert_batch(row);
    const bool all_read = batches_ == ahead_.size() + in_flight_.size() - gaps_in_flight_;
    ++batches_;
    bytes_ += row.line.size();
    // What follows at once on what was read need not be read again.
    if (!all_read || ahead_.size() >= page_rows || ahead_bytes_ >= page_bytes) return;
    ahead_.emplace_hint(ahead_.end(), row.id, Item{std::string(row.line), came, false, {}});
    ahead_bytes_ += row.line.size();
    read_to_ = row.id;
}

bool DurableSpool::oldest_is_too_old() {
    if (bounds_.max_age.count() == 0 || gaps_.full()) return false;
    read_ahead();
    return !ahead_.empty() && limit_.is_exceeded_by(clock_.now() - ahead_.begin()->second.since);
}

bool DurableSpool::make_room(WhenFull when_full) {
    if (oldest_is_too_old()) return drop_oldest(Cause::age);
    return when_full == WhenFull::drop && drop_oldest(Cause::full);
}

bool DurableSpool::expire() {
    if (!oldest_is_too_old() || !disk_.may_write()) return false;
    const auto batches = batches_;
    const auto bytes = bytes_;
    try {
        clock_.look();
        Transaction transaction(database_);
        run_removals();
        std::size_t expired = 0;
        for (; expired < most_expired && oldest_is_too_old(); ++expired) drop_oldest(Cause::age);
        save_losses();
        save_state(age_step);
        commit(transaction);
        return expired == most_expired;
    } catch (const SqliteError &error) {
        undo(error, batches, bytes);
        return false;
    }
}

bool DurableSpool::drop_oldest(Cause cause) {
    read_ahead();
    if (ahead_.empty()) return false;
    auto node = ahead_.extract(ahead_.begin());
    const auto size = node.mapped().line.size();
    ahead_bytes_ -= size, bytes_ -= size;
    --batches_;
    rows_.delete_batch(node.key());
    lose(node.key(), std::move(node.mapped()), cause);
    return true;
}

void DurableSpool::lose(std::uint64_t id, Item item, Cause cause) {
    const ParsedLine parsed = parser_.parse(item.line);
    if (std::holds_alternative<Gap>(parsed) && !gaps_.full()) {
        // A loss upstream: dropping the news of it would hide it.
        rows_.put_gap({id, clock_.stamp(item.since), item.line});
        gaps_.put(id, {item.since, nullptr, {}});
        return;
    }
    loss_.count(cause);
    const auto *batch = std::get_if<ParsedBatch>(&parsed);
    const bool named = batch != nullptr && batch->batch.position;
    if (!named || !tell(id, {item.since, gap_for(batch->batch, reason_of(cause))})) ++loss_.unnamed;
}

// False: there are too many gap lines.
bool DurableSpool::tell(std::uint64_t id, const Lost &lost) {
    const auto told = gaps_.lose(id, lost.since, lost.batch);
    if (told) touched_.insert(*told);
    return told.has_value();
}

void DurableSpool::save_losses() {
    const auto save = [this](std::uint64_t id, UptimeClock::time_point since, const Gap &gap) {
        rows_.put_gap({id, clock_.stamp(since), print_gap(gap), true});
    };
    for (const auto id : touched_) {
        if (const auto sent = in_flight_.find(id); sent != in_flight_.end())
            save(id, sent->second.since, *sent->second.grows);
        else if (gaps_.contains(id))
            save(id, gaps_.at(id).since, *gaps_.at(id).grows);
    }
}

std::optional<Spool::Entry> DurableSpool::next() {
    if (ahead_.empty() && gaps_.empty()) return {};
    if (!gaps_.empty() && (ahead_.empty() || gaps_.first_id() < ahead_.begin()->first)) {
        const auto id = gaps_.first_id();
        std::string line = gaps_.at(id).grows ? print_gap(*gaps_.at(id).grows) : rows_.gap_line(id);
        auto gap = gaps_.take(id);
        ++gaps_in_flight_;
        const auto sent =
            in_flight_.emplace(id, Item{std::move(line), gap.since, true, std::move(gap.grows)});
        return Entry{id, sent.first->second.line};
    }
    const auto sent = in_flight_.insert(ahead_.extract(ahead_.begin()));
    ahead_bytes_ -= sent.position->second.line.size();
    read_ahead();
    return Entry{sent.position->first, sent.position->second.line};
}

std::string_view DurableSpool::line(std::uint64_t id) const {
    return in_flight_.at(id).line;
}

void DurableSpool::remove(std::uint64_t id) {
    const auto found = in_flight_.find(id);
    if (found == in_flight_.end()) return;
    end(found);
    if (removed_.size() + removed_gaps_.size() >= many_removals) commit_removals();
}

void DurableSpool::end(Items::iterator sent) {
    if (removed_.empty() && removed_gaps_.empty()) removed_since_ = Clock::now();
    if (sent->second.is_gap) {
        --gaps_in_flight_;
        removed_gaps_.insert(sent->first);
        if (sent->second.grows) limit_.gap_left(*sent->second.grows);
    } else {
        --batches_;
        bytes_ -= sent->second.line.size();
        removed_.insert(sent->first);
        limit_.batch_left();
    }
    in_flight_.erase(sent);
}

void DurableSpool::give_up(std::uint64_t id, const std::string &reason) {
    const auto found = in_flight_.find(id);
    if (found == in_flight_.end()) return;
    const ParsedLine parsed = parser_.parse(found->second.line);
    const auto since = found->second.since;
    end(found);
    // The batch goes and the gap line comes in one transaction: that of the removals, which is put off.
    if (const auto *batch = std::get_if<ParsedBatch>(&parsed); batch != nullptr && batch->batch.position) {
        const Lost lost{since, gap_for(batch->batch, reason)};
        if (tell(id, lost)) given_up_.emplace(id, lost);
    }
    if (removed_.size() + removed_gaps_.size() >= many_removals) commit_removals();
}

void DurableSpool::give_back(std::uint64_t id) {
    auto node = in_flight_.extract(id);
    if (node.empty()) return;
    if (Item &item = node.mapped(); item.is_gap) {
        --gaps_in_flight_;
        gaps_.put(id, {item.since, std::move(item.grows), {}});
        return;
    }
    ahead_bytes_ += node.mapped().line.size();
    ahead_.insert(std::move(node));
}

void DurableSpool::settle() {
    if (Clock::now() - removed_since_ >= bounds_.put_off) commit_removals();
    clock_.look();
    if (batches_ > 0 && is_older_by(age_step)) save(age_step);
}

void DurableSpool::run_removals() {
    rows_.delete_batches(removed_);
    for (const auto id : removed_gaps_) rows_.delete_gap(id);
}

void DurableSpool::commit(Transaction &transaction) {
    transaction.commit();
    saved_ = saving_;
    removed_.clear();
    removed_gaps_.clear();
    given_up_.clear();
    touched_.clear();
}

void DurableSpool::commit_removals() {
    if (!removed_.empty() || !removed_gaps_.empty()) save(age_step);
}

void DurableSpool::save(std::chrono::seconds step) {
    if (!disk_.may_write()) return;
    clock_.look();
    try {
        Transaction transaction(database_);
        run_removals();
        save_losses();
        save_state(step);
        commit(transaction);
    } catch (const SqliteError &error) {
        disk_.trouble(error);
    }
}

std::size_t DurableSpool::capacity() const {
    if (batches_ == 0) return bounds_.batches;
    const std::uint64_t mean = std::max<std::uint64_t>(bytes_ / batches_, 1);
    return static_cast<std::size_t>(std::min<std::uint64_t>(bounds_.batches, bounds_.bytes / mean));
}

milliseconds DurableSpool::oldest_age() const {
    std::optional<std::pair<std::uint64_t, UptimeClock::time_point>> oldest;
    const auto consider = [&](std::uint64_t id, UptimeClock::time_point since) {
        if (!oldest || id < oldest->first) oldest = {id, since};
    };
    if (!gaps_.empty()) consider(gaps_.first_id(), gaps_.at(gaps_.first_id()).since);
    for (const Items *items : {&ahead_, &in_flight_})
        if (!items->empty()) consider(items->begin()->first, items->begin()->second.since);
    if (!oldest) return {};
    return std::chrono::duration_cast<milliseconds>(clock_.now() - oldest->second);
}

std::string DurableSpool::description() const {
    std::string text = std::to_string(bounds_.batches) + (bounds_.batches == 1 ? " batch" : " batches") +
                       " or " + std::to_string(bounds_.bytes) + " bytes in " + path_ +
                       ", safe when this process is killed or the power fails";
    if (size() > 0) text += "; " + std::to_string(size()) + " batches and gap lines wait in it";
    return text;
}

}  // namespace ble
