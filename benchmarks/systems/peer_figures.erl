%% Figures of Erlang's peer. Reads a command a line, answers with a line of integers: nanoseconds, or ids of processes.
%% One virtual machine takes all figures, so its own start is in none of them.
-module(peer_figures).
-export([main/0, lines/1, payload/1]).

main() ->
    case io:get_line('') of
        eof -> halt();
        Line ->
            [Command, Connection | Numbers] = string:lexemes(string:trim(Line), " "),
            Answer = command(Command, connection(Connection), [list_to_integer(N) || N <- Numbers]),
            io:format("~s~n", [lists:join(" ", [integer_to_list(N) || N <- Answer])]),
            main()
    end.

connection("standard_io") -> standard_io;
connection("tcp") -> 0.

command("boot", Connection, []) ->
    Began = now_ns(),
    Peer = start(Connection),
    add(Peer),
    Booted = now_ns(),
    Pid = os_pid(Peer),
    Stopping = now_ns(),
    peer:stop(Peer),
    gone(Pid),
    [Booted - Began, now_ns() - Stopping];

%% Left to command "gone" for the ids' memory to be looked at.
command("many", Connection, [Count]) ->
    Began = now_ns(),
    Peers = at_once([fun() -> Peer = start(Connection), add(Peer), Peer end || _ <- lists:seq(1, Count)]),
    Took = now_ns() - Began,
    Pids = at_once([fun() -> os_pid(Peer) end || Peer <- Peers]),
    put(many, lists:zip(Peers, Pids)),
    [Took | [list_to_integer(Pid) || Pid <- Pids]];
command("gone", _, []) ->
    Began = now_ns(),
    at_once([fun() -> peer:stop(Peer) end || {Peer, _} <- get(many)]),
    [gone(Pid) || {_, Pid} <- get(many)],
    [now_ns() - Began];

%% The others are of one peer that lives as long as this machine.
command("pid", Connection, []) ->
    [list_to_integer(os_pid(peer(Connection)))];
command("trips", Connection, [Count]) ->
    Peer = peer(Connection),
    [took(fun() -> add(Peer) end) || _ <- lists:seq(1, Count)];
command("together", Connection, [Callers, Count]) ->
    Peer = peer(Connection),
    Calls = fun() -> [add(Peer) || _ <- lists:seq(1, Count)] end,
    [took(fun() -> at_once(lists:duplicate(Callers, Calls)) end)];
command("push", Connection, [Size]) ->
    Peer = peer(Connection),
    Payload = payload(Size),
    [took(fun() -> Size = peer:call(Peer, erlang, byte_size, [Payload], infinity) end)];
command("pull", Connection, [Size]) ->
    Peer = peer(Connection),
    [took(fun() -> Size = byte_size(peer:call(Peer, ?MODULE, payload, [Size], infinity)) end)];
command("print", Connection, [Count]) ->
    Peer = peer(Connection),
    counter() ! {count, Count, self()},
    [took(fun() ->
        peer:call(Peer, ?MODULE, lines, [Count], infinity),
        receive all_lines -> ok end
    end)].

%% In the peer.
lines(Count) ->
    [io:format("line ~15..0w~n", [N]) || N <- lists:seq(1, Count)],
    ok.

payload(Size) ->
    case persistent_term:get({payload, Size}, none) of
        none ->
            Payload = binary:copy(<<"x">>, Size),
            persistent_term:put({payload, Size}, Payload),
            Payload;
        Payload -> Payload
    end.

peer(Connection) ->
    case get({peer, Connection}) of
        undefined ->
            Own = group_leader(),
            group_leader(counter(), self()),  % what the peer prints goes to that of who started it
            Peer = start(Connection),
            group_leader(Own, self()),
            put({peer, Connection}, Peer),
            Peer;
        Peer -> Peer
    end.

start(Connection) ->
    {ok, Peer, _} = peer:start(#{connection => Connection, args => ["-pa", filename:dirname(code:which(?MODULE))]}),
    Peer.

add(Peer) -> 3 = peer:call(Peer, erlang, '+', [1, 2]).

os_pid(Peer) -> peer:call(Peer, os, getpid, []).

%% `peer:stop` does not wait for the process.
gone(Pid) ->
    case file:read_file("/proc/" ++ Pid ++ "/stat") of
        {ok, Stat} ->
            case binary:match(Stat, <<") Z ">>) of
                nomatch -> timer:sleep(1), gone(Pid);
                _ -> ok
            end;
        _ -> ok
    end.

%% Takes the place of a terminal, and counts: each request is a line.
counter() ->
    case get(counter) of
        undefined ->
            Counter = spawn_link(fun() -> count(0, none) end),
            put(counter, Counter),
            Counter;
        Counter -> Counter
    end.

count(Left, Whom) ->
    receive
        {count, Count, From} -> count(Count, From);
        {io_request, From, ReplyAs, _} ->
            From ! {io_reply, ReplyAs, ok},
            case Left of
                1 -> Whom ! all_lines, count(0, none);
                0 -> count(0, Whom);
                _ -> count(Left - 1, Whom)
            end
    end.

at_once(Functions) ->
    Own = self(),
    Workers = [spawn_monitor(fun() -> Own ! {self(), Function()} end) || Function <- Functions],
    [receive
        {Worker, Result} -> erlang:demonitor(Monitor, [flush]), Result;
        {'DOWN', Monitor, process, _, Why} -> exit(Why)
    end || {Worker, Monitor} <- Workers].

took(Function) ->
    Began = now_ns(),
    Function(),
    now_ns() - Began.

now_ns() -> erlang:monotonic_time(nanosecond).
