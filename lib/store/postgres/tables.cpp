#include "store/postgres/tables.hpp"

#include <utility>

#include "store/postgres/age.hpp"
#include "store/postgres/batches.hpp"
#include "store/postgres/connection.hpp"
#include "store/postgres/lock_wait.hpp"
#include "store/postgres/locks.hpp"
#include "store/postgres/names.hpp"
#include "store/postgres/news.hpp"
#include "store/postgres/old.hpp"
#include "store/postgres/rollups.hpp"
#include "store/postgres/runs.hpp"
#include "store/postgres/schema.hpp"
#include "store/postgres/stretches.hpp"
#include "store/postgres/turns.hpp"
#include "store/told_apart.hpp"

namespace ble {
namespace {

constexpr Query begin_work{"BEGIN"};
constexpr Query commit_work{"COMMIT"};
constexpr Query share{share_writing};
constexpr Query alone_now{write_alone};
constexpr Query wait_for_locks{"SELECT set_config('lock_timeout', $1::bigint::text, true)"};
constexpr Query read_state{"SELECT epoch, version FROM state"};
constexpr Query lock_devices{
    "SELECT 1 FROM devices WHERE id = ANY ($1::bigint[]) ORDER BY id FOR NO KEY UPDATE"};

class PostgresTables final : public Tables {
  public:
    PostgresTables(const std::string &uri, const std::function<bool()> &go_on) : connection_(uri, go_on) {
        check();
    }

    bool check() override {
        if (connection_.connect()) ready_ = false;
        if (ready_) return false;
        open_postgres_schema(connection_);
        ready_ = true;
        forget();
        batches_.lose_ids();
        partitions_.forget();
        return true;
    }

    void begin(bool alone) override {
        forget();
        alone_ = alone;
        connection_.queue(begin_work);
        if (!alone) return connection_.queue(share);
        const auto most = connection_.lock_timeout();
        connection_.queue(wait_for_locks, Values::of(std::int64_t{wait_.next(most).count()}));
        connection_.queue(alone_now);
        connection_.queue(wait_for_locks, Values::of(std::int64_t{most.count()}));
    }
    void commit() override {
        connection_.ask(commit_work);
        connection_.settle();
        if (std::exchange(alone_, false)) wait_.done();
        news_.keep_up();
        partitions_.keep_up();
    }
    void rollback() noexcept override {
        connection_.rollback();
        if (std::exchange(alone_, false)) wait_.failed();  // most likely for the lock
        forget();
        partitions_.undone();
    }
    bool in_transaction() const override { return connection_.in_transaction(); }

    void savepoint() override {
        send();
        connection_.execute("SAVEPOINT line");
    }
    void release() override {
        send();
        connection_.execute("RELEASE line");
    }
    void undo() noexcept override {
        forget();
        connection_.undo_to("line");
    }

    std::int64_t epoch() override {
        const Answer state = connection_.ask(read_state);
        if (state.integer(0, 1) > postgres_version) refuse_newer_postgres(connection_, state.integer(0, 1));
        return state.integer(0, 0);
    }
    void send() override {
        batches_.send();
        connection_.settle();
    }
    bool foresees() const override { return true; }
    void expect(const Expected &all) override {
        partitions_.begin(all.received_at);
        const auto answers = connection_.ask({{lock_devices, Values::of(all.devices)},
                                              PostgresRuns::question(all.runs),
                                              PostgresTurns::question(all.devices),
                                              PostgresStretches::question(all.windows),
                                              PostgresBatches::question(all.names)});
        runs_.know(all.runs, answers[1]);
        turns_.know(all.devices, answers[2]);
        stretches_.know(all.windows, answers[3]);
        batches_.know(answers[4]);
        batches_.expect(all.hashes, all.received_at, all.lived_s);
    }

    NameRows &names() override { return names_; }
    RunRows &runs() override { return runs_; }
    StretchRows &stretches() override { return stretches_; }
    TurnRows &turns() override { return turns_; }
    AgeRows &age() override { return age_; }
    BatchRows &batches() override { return batches_; }
    OldRows &old() override { return old_; }
    RollupRows &rollups() override { return rollups_; }

  private:
    void forget() {
        runs_.forget();
        stretches_.forget();
        turns_.forget();
        batches_.forget();
    }

    Connection connection_;
    bool ready_ = false;  // the schema is there
    bool alone_ = false;  // the transaction is to be
    LockWait wait_;       // for that
    Partitions partitions_{connection_};
    NewsFolder news_{connection_};
    PostgresNames names_{connection_};
    PostgresRuns runs_{connection_};
    PostgresStretches stretches_{connection_};
    PostgresTurns turns_{connection_};
    PostgresAge age_{connection_};
    PostgresBatches batches_{connection_, partitions_};
    PostgresOld old_{connection_, partitions_};
    PostgresRollups rollups_{connection_};
};

}  // namespace

std::unique_ptr<Tables> open_postgres_tables(const std::string &uri, const std::function<bool()> &go_on) {
    return told_apart([&] { return std::make_unique<PostgresTables>(uri, go_on); });
}

}  // namespace ble
