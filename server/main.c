/* meishi: a self-hosted digital business card. What it can be asked is server/cli/cli.c's table. */
#include "server/cli/cli.h"

extern char **environ;

int main(int argc, char **argv)
{
    return cli_run(argc - 1, argv + 1, environ);
}
