#include "spool/durable_spool.hpp"

#include <sys/statvfs.h>

#include <algorithm>

#include "spool/spool_schema.hpp"

namespace ble {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr std::size_t page_bytes = 256 * 1024, page_rows = 512;  // read ahead, at most
constexpr std::size_t many_removals = 512;                       // so many may be sent again after a kill
constexpr std::chrono::seconds retry_after(1);
constexpr std::uint64_t reserve_step = 1000;
constexpr std::chrono::minutes age_step(
    10);  // a power cut takes so much of it, and what could not be written
constexpr std::uint64_t most_kept_free = 10u << 20;
constexpr std::uint64_t most_of_a_push = 2u << 20;  // one look at a pipe, and what SQLite adds
constexpr std::uint64_t page_size = 4096;           // of SQLite, unless it was told otherwise

std::uint64_t kept_free_on_disk_of(const std::string &path) {
    struct statvfs disk {};
    if (::statvfs(path.c_str(), &disk) != 0) return 0;
    return std::min<std::uint64_t>(most_kept_free, disk.f_blocks * disk.f_frsize / 4);
}

std::int64_t row(std::uint64_t id) {
    return static_cast<std::int64_t>(id);
}

}  // namespace

DurableSpool::DurableSpool(const std::string &path, Bounds bounds, SpoolClocks clocks)
    : path_(path),
      bounds_(bounds),
      limit_(bounds.max_age),
      clocks_(std::move(clocks)),
      file_(path),
      kept_free_(kept_free_on_disk_of(path)),
      database_(file_.database()),
      insert_(database_, "INSERT INTO batches (id, since, line, lived_s) VALUES (?, ?, ?, ?)"),
      delete_(database_, "DELETE FROM batches WHERE id = ?"),
      page_(database_, "SELECT id, since, line, lived_s FROM batches WHERE id > ? ORDER BY id"),
      put_gap_(database_,
               "INSERT OR REPLACE INTO gaps (id, since, line, ours, lived_s) VALUES (?, ?, ?, ?, ?)"),
      delete_gap_(database_, "DELETE FROM gaps WHERE id = ?"),
      read_gap_(database_, "SELECT line FROM gaps WHERE id = ?"),
      save_state_(
          database_,
          "UPDATE state SET next_id = ?, dropped = ?, unnamed = ?, expired = ?, lived_s = ?, uptime_s = ?,"
          " boot = ?"),
      started_(now()) {
    // Removals need space too. SQLite's log grows to this, and the file by as much, before the log is used from its beginning.
    // 0 would let it grow for ever: some disks, a tmpfs without a limit among them, tell no size.
    const auto log_pages = kept_free_ > 0 ? std::max<std::uint64_t>(kept_free_ * 2 / 5 / page_size, 1) : 1000;
    database_.execute("PRAGMA wal_autocheckpoint=" + std::to_string(log_pages));
    Statement sizes(database_, "SELECT length(line) FROM batches");
    for (; sizes.step(); ++batches_) bytes_ += static_cast<std::uint64_t>(sizes.integer(0));
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
    Statement state(database_,
                    "SELECT next_id, dropped, unnamed, expired, lived_s, uptime_s, boot FROM state");
    if (!state.step()) throw Error(ExitCode::io, "the spool " + path_ + " has lost its state");
    const auto count = [&](int column) { return static_cast<std::uint64_t>(state.integer(column)); };
    saved_ = {.reserved = count(0),
              .loss = {.dropped = count(1), .expired = count(3), .unnamed = count(2)},
              .age = {state.integer(4), state.integer(5), std::string(state.text(6))}};
    next_id_ = std::max(next_id_, saved_.reserved);
    if (first_id_ == 0) first_id_ = next_id_, age_ = saved_.age;
    loss_ = saved_.loss;
    ahead_.clear();
    ahead_bytes_ = 0, read_to_ = 0;
    load_gaps();
    read_ahead();
}

void DurableSpool::load_gaps() {
    gaps_.clear();
    look_at_clocks();
    Statement rows(database_, "SELECT id, since, line, ours, lived_s FROM gaps ORDER BY id");
    while (rows.step()) {
        const auto id = static_cast<std::uint64_t>(rows.integer(0));
        if (removed_gaps_.contains(id) || in_flight_.contains(id)) continue;
        GapLedger::Item item{since(id, rows.integer(1), rows.integer(4)), nullptr, {}};
        const ParsedLine parsed =
            rows.integer(3) != 0 ? parser_.parse(std::string(rows.text(2))) : InvalidLine();
        if (const auto *gap = std::get_if<Gap>(&parsed)) item.grows = std::make_unique<Gap>(*gap);
        gaps_.put(id, std::move(item));
    }
    // What a transaction that failed did not save, what is in flight included. A batch may then be told of twice, which
    // is harmless.
    std::erase_if(touched_, [this](auto id) { return !in_flight_.contains(id); });
    for (const auto &[id, lost] : given_up_)
        if (!in_flight_.contains(id)) tell(id, lost);
}

// The clock may have been set meanwhile: what came in this run is no older than it, and what was there before no younger.
UptimeClock::time_point DurableSpool::since(std::uint64_t id, std::int64_t since_ms,
                                            std::int64_t lived_s) const {
    const auto told = now() - age_of_line(since_ms, lived_s, age_, clocks_.wall());
    return id < first_id_ ? std::min(told, started_) : std::max(told, started_);
}

std::int64_t DurableSpool::to_wall(UptimeClock::time_point since) const {
    const auto age = std::chrono::floor<milliseconds>(now() - since);
    return (std::chrono::floor<milliseconds>(clocks_.wall().time_since_epoch()) - age).count();
}

std::int64_t DurableSpool::to_lived(UptimeClock::time_point since) const {
    return age_.lived_s - std::chrono::floor<std::chrono::seconds>(now() - since).count();
}

void DurableSpool::look_at_clocks() {
    const auto uptime = std::chrono::ceil<std::chrono::seconds>(now().time_since_epoch());
    age_ = age_.at({clocks_.wall(), uptime, clocks_.boot});
}

// As long as a batch waits, the oldest one is in ahead_.
void DurableSpool::read_ahead() {
    const std::size_t waiting = batches_ - (in_flight_.size() - gaps_in_flight_);
    if (!ahead_.empty() || waiting == 0) return;
    look_at_clocks();
    page_.bind(1, row(read_to_));
    while (ahead_.size() < page_rows && ahead_bytes_ < page_bytes && page_.step()) {
        read_to_ = static_cast<std::uint64_t>(page_.integer(0));
        if (in_flight_.contains(read_to_) || removed_.contains(read_to_)) continue;
        const auto line = page_.text(2);
        ahead_bytes_ += line.size();
        ahead_.emplace_hint(
            ahead_.end(), read_to_,
            Item{std::string(line), since(read_to_, page_.integer(1), page_.integer(3)), false, {}});
    }
    page_.reset();
}

std::size_t DurableSpool::push(std::span<const std::string_view> lines, WhenFull when_full) {
    const bool must_wait = full() && when_full == WhenFull::wait && !oldest_is_too_old();
    if (lines.empty() || must_wait || !may_write()) return 0;
    if (database_.moved())
        throw Error(ExitCode::io, "the spool " + path_ + " was renamed or deleted while in use");
    if (!has_room()) {
        commit_removals();
        if (!has_room()) {
            wait("the disk of " + path_ + " is nearly full: the rest is kept for removals");
            return 0;
        }
    }
    lines = lines.first(std::min(lines.size(), most_lines_));
    const auto batches = batches_;
    const auto bytes = bytes_;
    try {
        const std::size_t taken = store(lines, when_full);
        if (lines.size() == most_lines_) most_lines_ += most_lines_;
        if (std::exchange(complained_, false)) log_info("the spool " + path_ + " can be written again");
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
    trouble(error);
    batches_ = batches, bytes_ = bytes;
    load();
}

std::size_t DurableSpool::store(std::span<const std::string_view> lines, WhenFull when_full) {
    const auto came = now();
    look_at_clocks();
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
            insert(id, line, came);
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
    return saved_.age.boot.empty() || age_.lived_s - saved_.age.lived_s >= step.count();
}

// Where it changed, or the age of the spool by so much. It is in the file once commit() has returned.
void DurableSpool::save_state(std::chrono::seconds step) {
    saving_ = saved_;
    if (next_id_ <= saved_.reserved && loss_ == saved_.loss && !is_older_by(step)) return;
    if (next_id_ > saved_.reserved) saving_.reserved = next_id_ + reserve_step;
    saving_.loss = loss_;
    saving_.age = age_;
    save_state_.run(row(saving_.reserved), row(loss_.dropped), row(loss_.unnamed), row(loss_.expired),
                    age_.lived_s, age_.uptime_s, age_.boot);
}

void DurableSpool::insert(std::uint64_t id, std::string_view line, UptimeClock::time_point came) {
    insert_.bind(1, row(id)).bind(2, to_wall(came)).bind(3, Blob{line}).bind(4, to_lived(came));
    insert_.step();
    const bool all_read = batches_ == ahead_.size() + in_flight_.size() - gaps_in_flight_;
    ++batches_;
    bytes_ += line.size();
    // What follows at once on what was read need not be read again.
    if (!all_read || ahead_.size() >= page_rows || ahead_bytes_ >= page_bytes) return;
    ahead_.emplace_hint(ahead_.end(), id, Item{std::string(line), came, false, {}});
    ahead_bytes_ += line.size();
    read_to_ = id;
}

bool DurableSpool::oldest_is_too_old() {
    if (bounds_.max_age.count() == 0 || gaps_.full()) return false;
    read_ahead();
    return !ahead_.empty() && limit_.is_exceeded_by(now() - ahead_.begin()->second.since);
}

bool DurableSpool::make_room(WhenFull when_full) {
    if (oldest_is_too_old()) return drop_oldest(Cause::age);
    return when_full == WhenFull::drop && drop_oldest(Cause::full);
}

bool DurableSpool::expire() {
    if (!oldest_is_too_old() || !may_write()) return false;
    const auto batches = batches_;
    const auto bytes = bytes_;
    try {
        look_at_clocks();
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
    delete_.run(row(node.key()));
    lose(node.key(), std::move(node.mapped()), cause);
    return true;
}

void DurableSpool::lose(std::uint64_t id, Item item, Cause cause) {
    const ParsedLine parsed = parser_.parse(item.line);
    if (std::holds_alternative<Gap>(parsed) && !gaps_.full()) {
        // A loss upstream: dropping the news of it would hide it.
        put_gap_.bind(1, row(id)).bind(2, to_wall(item.since)).bind(3, Blob{item.line}).bind(4, false);
        put_gap_.bind(5, to_lived(item.since));
        put_gap_.step();
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
        const std::string line = print_gap(gap);
        put_gap_.bind(1, row(id)).bind(2, to_wall(since)).bind(3, Blob{line}).bind(4, true);
        put_gap_.bind(5, to_lived(since));
        put_gap_.step();
    };
    for (const auto id : touched_) {
        if (const auto sent = in_flight_.find(id); sent != in_flight_.end())
            save(id, sent->second.since, *sent->second.grows);
        else if (gaps_.contains(id))
            save(id, gaps_.at(id).since, *gaps_.at(id).grows);
    }
}

std::string DurableSpool::gap_line(std::uint64_t id, const GapLedger::Item &gap) {
    if (gap.grows) return print_gap(*gap.grows);
    read_gap_.bind(1, row(id));
    if (!read_gap_.step()) throw Error(ExitCode::io, "the spool " + path_ + " has lost a gap line");
    std::string line(read_gap_.text(0));
    read_gap_.reset();
    return line;
}

std::optional<Spool::Entry> DurableSpool::next() {
    if (ahead_.empty() && gaps_.empty()) return {};
    if (!gaps_.empty() && (ahead_.empty() || gaps_.first_id() < ahead_.begin()->first)) {
        const auto id = gaps_.first_id();
        std::string line = gap_line(id, gaps_.at(id));
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
    look_at_clocks();
    if (batches_ > 0 && is_older_by(age_step)) save(age_step);
}

void DurableSpool::run_removals() {
    for (const auto id : removed_) delete_.run(row(id));
    for (const auto id : removed_gaps_) delete_gap_.run(row(id));
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
    if (!may_write()) return;
    look_at_clocks();
    try {
        Transaction transaction(database_);
        run_removals();
        save_losses();
        save_state(step);
        commit(transaction);
    } catch (const SqliteError &error) {
        trouble(error);
    }
}

// What may pass by itself is tried again later; anything else is thrown on.
void DurableSpool::trouble(const SqliteError &error) {
    if (error.kind() == SqliteError::Kind::foreign)
        throw Error(ExitCode::io,
                    std::string(error.what()) + ": the spool is damaged; the next start sets it aside");
    if (error.kind() != SqliteError::Kind::trouble) throw;
    wait(error.what());
    try {
        database_.execute("PRAGMA wal_checkpoint(TRUNCATE)");  // a full disk may have room in the log alone
    } catch (const SqliteError &) {
    }
}

void DurableSpool::wait(const std::string &why) {
    retry_at_ = Clock::now() + retry_after;
    if (!trouble_said_.due()) return;
    complained_ = true;
    log_warning(why + "; the input waits, trying again every second");
}

// A spool that filled its disk to the last byte could never be emptied. What was removed leaves free pages in the file.
bool DurableSpool::has_room() {
    struct statvfs disk {};
    if (batches_ == 0 || ::statvfs(path_.c_str(), &disk) != 0 || disk.f_bavail * disk.f_frsize >= kept_free_)
        return true;
    const auto free_pages =
        static_cast<std::uint64_t>(database_.integer("PRAGMA freelist_count").value_or(0));
    return free_pages * page_size >= std::min(most_of_a_push, kept_free_);
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
    return std::chrono::duration_cast<milliseconds>(now() - oldest->second);
}

std::string DurableSpool::description() const {
    std::string text = std::to_string(bounds_.batches) + (bounds_.batches == 1 ? " batch" : " batches") +
                       " or " + std::to_string(bounds_.bytes) + " bytes in " + path_ +
                       ", safe when this process is killed or the power fails";
    if (size() > 0) text += "; " + std::to_string(size()) + " batches and gap lines wait in it";
    return text;
}

}  // namespace ble
