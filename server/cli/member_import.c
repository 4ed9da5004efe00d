/* meishi member import: members out of a table that a spreadsheet wrote, all or none. Its first row names the columns: handle and
 * name, and email and role if there are any; others are refused, since one with a slip in its name would be lost quietly. */
#include <jansson.h>
#include <string.h>
#include <sysexits.h>

#include "cards/base/text.h"
#include "cards/card.h"
#include "cards/csv.h"
#include "cards/lead.h"
#include "server/auth/sign_in_link.h"
#include "server/cli/cli.h"
#include "server/ids.h"
#include "server/store/store.h"

enum { ROWS_MAX = 500 };

enum column { HANDLE, NAME, EMAIL, ROLE, COLUMN_COUNT };
static const char *const COLUMNS[] = {"handle", "name", "email", "role"};
static const char *const ROLES[] = {"member", "admin", "owner"};

struct table {
    const char *at;          /* what is not read yet */
    int place[COLUMN_COUNT]; /* which field of a row it is, -1 when there is none */
    struct member_addition *additions;
    const char **links;
    int *lines;
    size_t count;
    int line;
};

static int read_head(struct cli_call *call, struct table *table)
{
    static const char MARK[] = "\xef\xbb\xbf"; /* spreadsheets put one before everything */
    const char *fields[CSV_FIELDS_MAX];
    size_t count;
    table->at = call->input + (strncmp(call->input, MARK, 3) ? 0 : 3);
    table->line = 1;
    for (int column = 0; column < COLUMN_COUNT; column++)
        table->place[column] = -1;
    if (csv_row(&table->at, call->arena, fields, &count) != RESULT_OK)
        return cli_say(call, EX_DATAERR, "line 1: this is no row of a table with commas.");
    for (size_t i = 0; i < count; i++) {
        int column = 0;
        while (column < COLUMN_COUNT && strcasecmp(fields[i], COLUMNS[column]))
            column++;
        if (column == COLUMN_COUNT || table->place[column] >= 0)
            return cli_say(call, EX_DATAERR,
                           "line 1: \"%s\" is no column, or is one twice; there are handle, name, email and role.",
                           fields[i]);
        table->place[column] = (int)i;
    }
    if (table->place[HANDLE] < 0 || table->place[NAME] < 0)
        return cli_say(call, EX_DATAERR,
                       "line 1: the first row names the columns; handle and name must be among them.");
    return 0;
}

static const char *field(const struct table *table, const char *const *fields, size_t count, enum column column)
{
    int place = table->place[column];
    return place >= 0 && (size_t)place < count && *fields[place] ? fields[place] : NULL;
}

/* Whether the row is sound; else what is wrong is said. */
static bool read_row(struct cli_call *call, const struct table *table, const char *const *fields, size_t count,
                     struct member *out)
{
    struct complaints complaints = {0};
    const char *email = field(table, fields, count, EMAIL), *role = field(table, fields, count, ROLE);
    int rank = ROLE_MEMBER;
    *out = (struct member){.handle = field(table, fields, count, HANDLE), .name = field(table, fields, count, NAME)};
    if (!out->handle || !handle_is_valid(out->handle))
        complaints_add(&complaints, "handle", "A handle is 2 to 32 of a-z, 0-9 and -.");
    if (text_check(&out->name, CARD_NAME_MAX, TEXT_LINE, "name", call->arena, &complaints) && !out->name)
        complaints_add(&complaints, "name", "Please give a name.");
    if (email && !email_is_valid(email))
        complaints_add(&complaints, "email", "This is not an e-mail address.");
    out->email = email_key(email, call->arena);
    while (role && rank <= ROLE_OWNER && strcmp(role, ROLES[rank]))
        rank++;
    if (rank > ROLE_OWNER)
        complaints_add(&complaints, "role", "A role is member, admin or owner.");
    out->role = (enum role)rank;
    for (int i = 0; i < complaints.count; i++)
        cli_say(call, EX_DATAERR, "line %d: %s: %s", table->line, complaints.list[i].field, complaints.list[i].words);
    return !complaints.count;
}

static int read_rows(struct app *app, struct cli_call *call, struct table *table)
{
    const char *fields[CSV_FIELDS_MAX];
    size_t count;
    bool sound = true;
    int64_t now = now_ms();
    while (*table->at) {
        table->line++;
        if (csv_row(&table->at, call->arena, fields, &count) != RESULT_OK)
            return cli_say(call, EX_DATAERR, "line %d: this is no row of a table with commas.", table->line);
        if (!count)
            continue;
        if (table->count == ROWS_MAX)
            return cli_say(call, EX_DATAERR, "The table has more than %d rows; split it.", ROWS_MAX);
        struct member_addition *addition = &table->additions[table->count];
        sound &= read_row(call, table, fields, count, &addition->member);
        table->lines[table->count] = table->line;
        table->links[table->count++] = sign_in_link_new(app, call->arena, SIGN_IN_LINK_HOURS * 60, now,
                                                        addition->link_hash, &addition->link_until_ms);
    }
    if (!table->count)
        return cli_say(call, EX_DATAERR, "There is nobody in the table.");
    return sound ? 0 : EX_DATAERR;
}

static void say_taken(struct cli_call *call, const struct table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct member_addition *addition = &table->additions[i];
        if (addition->handle_is_taken)
            cli_say(call, EX_DATAERR, "line %d: handle: \"%s\" is taken.", table->lines[i], addition->member.handle);
        if (addition->email_is_taken)
            cli_say(call, EX_DATAERR, "line %d: email: a member has %s already.", table->lines[i],
                    addition->member.email);
    }
}

static void show(struct cli_call *call, const struct table *table, bool dry_run)
{
    json_t *list = json_array();
    for (size_t i = 0; i < table->count; i++) {
        const struct member *member = &table->additions[i].member;
        char id[ID_TEXT_SIZE];
        json_array_append_new(list, json_pack("{s:s?, s:s, s:s, s:s?, s:s, s:s?}", "id",
                                              dry_run ? NULL : id_format(id, "mem", member->id), "handle",
                                              member->handle, "name", member->name, "email", member->email, "role",
                                              ROLES[member->role], "sign_in_url", dry_run ? NULL : table->links[i]));
        if (!call->json)
            str_addf(&call->out, "%-20s %s\n", member->handle, dry_run ? member->name : table->links[i]);
    }
    if (call->json)
        cli_json(call, list);
    else
        json_decref(list);
}

int cli_member_import(struct app *app, struct cli_call *call, int argc, char **argv)
{
    bool dry_run = cli_flag(&argc, argv, "--dry-run");
    int code = cli_no_more(call, argc, argv);
    if (code)
        return code;
    struct table table = {.additions = arena_alloc(call->arena, ROWS_MAX * sizeof *table.additions),
                          .links = arena_alloc(call->arena, ROWS_MAX * sizeof(const char *)),
                          .lines = arena_alloc(call->arena, ROWS_MAX * sizeof *table.lines)};
    if ((code = read_head(call, &table)) || (code = read_rows(app, call, &table)))
        return code;
    enum result result = store_member_add_many(app->store, table.additions, table.count, dry_run, now_ms());
    if (result == RESULT_CONFLICT) {
        say_taken(call, &table);
        return cli_say(call, EX_DATAERR, "Nobody was added.");
    }
    if (result != RESULT_OK)
        return cli_outcome(call, result, "The table");
    show(call, &table, dry_run);
    return cli_say(call, EX_OK,
                   dry_run ? "%zu would be added; nobody was."
                           : "%zu were added. Each link is good once, for 24 hours.",
                   table.count);
}
