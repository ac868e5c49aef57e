%% The actor rows in plain Erlang processes; `ask` is gen_server:call with its timeout.
%% erl -noshell +S N:N +P 4000000 -pa DIR -run actor_bench main ROW N
-module(actor_bench).
-behaviour(gen_server).
-export([main/1]).
-define(SPAWN_BATCH, 10000).
-export([init/1, handle_call/3, handle_cast/2]).

main([Row, Cores]) ->
    run(list_to_atom(Row), list_to_integer(Cores)),
    halt(0).

run(ping_pong, Cores) -> measure(ping_pong, Cores, 10000, 1, fun ping_pong/1);
run(pipelined, Cores) ->
    measure(pipelined, Cores, 100000, 1, fun(Ops) -> many_to_one(Ops, 1, 1000) end);
run(fan_in, Cores) ->
    measure(fan_in, Cores, 100000, 1, fun(Ops) -> many_to_one(Ops, 100, 10) end);
run(ring, Cores) -> measure(ring, Cores, 100000, 1, fun ring/1);
run(ask, Cores) -> measure(ask, Cores, 10000, 1, fun ask/1);
run(spawn, Cores) -> measure(spawn, Cores, 1, ?SPAWN_BATCH, fun spawn_all/1);
run(skynet, Cores) ->
    skynet(10000),
    {Wall, Cpu} = time_once(1000000, fun skynet/1),
    print(skynet, Cores, "ns", Wall / 1111111, Cpu / 1111111, 1111111);
run(idle_memory, Cores) -> idle_memory(Cores);
run(Row, _) ->
    io:format(standard_error, "no such row: ~s~n", [Row]),
    halt(2).

%% The run lasts about half a second; the shorter runs before it are the warm-up.
%% An op of Work may stand for several: OpsEach.
measure(Row, Cores, Ops, OpsEach, Work) ->
    case time_once(Ops, Work) of
        {Wall, Cpu} when Wall >= 3.0e8 ->
            Done = Ops * OpsEach,
            print(Row, Cores, "ns", Wall / Done, Cpu / Done, Done);
        {Wall, _} ->
            Growth = max(1.5, min(10.0, 5.0e8 / max(Wall, 1))),
            measure(Row, Cores, trunc(Ops * Growth) + 1, OpsEach, Work)
    end.

%% Each run has a process of its own, as an application would: no old heap, no old messages.
time_once(Ops, Work) ->
    {_, Monitor} = spawn_monitor(fun() ->
        {CpuBefore, _} = statistics(runtime),
        Before = erlang:monotonic_time(nanosecond),
        Work(Ops),
        Wall = erlang:monotonic_time(nanosecond) - Before,
        {CpuAfter, _} = statistics(runtime),
        exit({taken, Wall, (CpuAfter - CpuBefore) * 1000000})
    end),
    receive {'DOWN', Monitor, process, _, {taken, Wall, Cpu}} -> {Wall, Cpu} end.

print(Row, Cores, Unit, Value, Cpu, Ops) ->
    io:format("{\"peer\":\"erlang\",\"row\":\"~s\",\"cores\":~b,\"unit\":\"~s\",\"value\":~.3f,"
              "\"cpu_ns\":~.3f,\"ops\":~b}~n", [Row, Cores, Unit, Value * 1.0, Cpu * 1.0, Ops]).

server() ->
    receive
        {get, From, Id, Value} -> From ! {answer, Id, Value}, server();
        {finish, _} -> ok
    end.

ping_pong(Ops) ->
    Server = spawn(fun server/0),
    ping(Server, Ops).

ping(Server, 0) -> Server ! {finish, 0};
ping(Server, Left) ->
    Server ! {get, self(), Left, Left},
    receive {answer, Left, _} -> ping(Server, Left - 1) end.

%% Producers send bursts and have at most four of them without an answer.
many_to_one(Ops, Producers, Burst) ->
    Main = self(),
    Sink = spawn(fun() -> sink(Main, Producers, Burst) end),
    Bursts = Ops div Producers div Burst,
    [spawn(fun() -> produce(Sink, Bursts, Burst, 4) end) || _ <- lists:seq(1, Producers)],
    receive {finish, _} -> ok end.

sink(Main, 0, _) -> Main ! {finish, 0};
sink(Main, Producers, Burst) ->
    receive
        {put, From, Burst, _} -> From ! {answer, Burst, 0}, sink(Main, Producers, Burst);
        {put, _, _, _} -> sink(Main, Producers, Burst);
        {finish, _} -> sink(Main, Producers - 1, Burst)
    end.

produce(Sink, 0, _, 4) -> Sink ! {finish, 0};
produce(Sink, Left, Burst, Credit) when Left > 0, Credit > 0 ->
    send_burst(Sink, self(), 1, Burst),
    produce(Sink, Left - 1, Burst, Credit - 1);
produce(Sink, Left, Burst, Credit) ->
    receive {answer, _, _} -> produce(Sink, Left, Burst, Credit + 1) end.

send_burst(_, _, Next, Burst) when Next > Burst -> ok;
send_burst(Sink, Self, Next, Burst) ->
    Sink ! {put, Self, Next, Burst},
    send_burst(Sink, Self, Next + 1, Burst).

ring(Ops) ->
    Main = self(),
    First = spawn(fun() -> receive {next, Next} -> ring_member(Next, Main) end end),
    Last = lists:foldl(fun(_, Next) -> spawn(fun() -> ring_member(Next, Main) end) end,
                       First, lists:seq(2, 1000)),
    First ! {next, Last},
    First ! {put, 0, Ops},
    receive {finish, _} -> ok end,
    First ! {stop, 1000}.

ring_member(Next, Main) ->
    receive
        {put, _, 0} -> Main ! {finish, 0}, ring_member(Next, Main);
        {put, Id, Left} -> Next ! {put, Id, Left - 1}, ring_member(Next, Main);
        {stop, 1} -> ok;
        {stop, Left} -> Next ! {stop, Left - 1}
    end.

ask(Ops) ->
    {ok, Server} = gen_server:start(?MODULE, [], []),
    ask(Server, Ops),
    gen_server:stop(Server).

ask(_, 0) -> ok;
ask(Server, Left) ->
    {answer, Left, _} = gen_server:call(Server, {get, Left, Left}, 5000),
    ask(Server, Left - 1).

init([]) -> {ok, none}.
handle_call({get, Id, Value}, _, State) -> {reply, {answer, Id, Value}, State}.
handle_cast(_, State) -> {noreply, State}.

%% Batches of workers; each gets one message, and the last one to exit tells the parent.
spawn_all(0) -> ok;
spawn_all(Batches) ->
    Running = atomics:new(1, []),
    atomics:put(Running, 1, ?SPAWN_BATCH),
    Parent = self(),
    [spawn(fun() -> worker(Parent, Running) end) ! {put, I, I}
     || I <- lists:seq(1, ?SPAWN_BATCH)],
    receive {finish, _} -> spawn_all(Batches - 1) end.

worker(Parent, Running) ->
    receive
        {put, _, _} ->
            case atomics:sub_get(Running, 1, 1) of
                0 -> Parent ! {finish, 0};
                _ -> ok
            end
    end.

skynet(Leaves) ->
    Parent = self(),
    spawn(fun() -> skynet_node(Parent, 0, Leaves) end),
    Expected = Leaves * (Leaves - 1) div 2,
    receive {answer, Expected} -> ok end.

skynet_node(Parent, First, 1) -> Parent ! {answer, First};
skynet_node(Parent, First, Size) ->
    Self = self(),
    Part = Size div 10,
    [spawn(fun() -> skynet_node(Self, First + I * Part, Part) end) || I <- lists:seq(0, 9)],
    Parent ! {answer, add(10, 0)}.

add(0, Sum) -> Sum;
add(Missing, Sum) -> receive {answer, Value} -> add(Missing - 1, Sum + Value) end.

idle_memory(Cores) ->
    Actors = 1000000,
    Before = resident_bytes(),
    {_, Cpu} = time_once(Actors, fun(N) -> park(N, self()) end),
    print(idle_memory, Cores, "bytes", (resident_bytes() - Before) / Actors, Cpu / Actors, Actors).

park(0, _) -> ok;
park(Left, Starter) ->
    spawn(fun() -> receive {finish, _} -> ok end end),
    park(Left - 1, Starter).

resident_bytes() ->
    {ok, File} = file:open("/proc/self/statm", [read]),
    {ok, Line} = file:read_line(File),
    ok = file:close(File),
    [_, Pages | _] = string:lexemes(Line, " "),
    list_to_integer(Pages) * 4096.
