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
	files) printf ':files\n' ;;
	=*) printf '%s\n' "${1#=}" | tr ' ' '\n' ;;
	sessions) ls -r "$(__mimo_git rev-parse --path-format=absolute --git-common-dir)/mimo/sessions" ;;
	candidates) __mimo_git for-each-ref --format='%(refname:lstrip=4)' "refs/mimo/candidates/${session:-*}*/*" | sort -un ;;
	skills) ls "$(__mimo_git rev-parse --show-toplevel)/.mimo/skills" ;;
	branches) __mimo_git for-each-ref --format='%(refname:short)' refs/heads ;;
	revisions)
		printf 'HEAD\n'
		__mimo_git for-each-ref --format='%(refname:short)' refs/heads refs/tags refs/remotes
		;;
	operations) __mimo_git for-each-ref --format='%(refname:lstrip=3)' refs/mimo/ops ;;
	remotes) __mimo_git remote ;;
	commands) __mimo_words '' ;;
	settings) printf '%s\n' @SETTINGS@ ;;
	providers) printf '%s\n' @PROVIDERS@ ;;
	local_models)
		{
			printf '%s\n' @LOCAL_MODELS@
			ls "${XDG_DATA_HOME:-$HOME/.local/share}/git-mimo/models" | sed -n 's/\.gguf$//p'
		} | sort -u
		;;
	models)
		{
			__mimo_git config --get-all mimo.model
			__mimo_list local_models | sed 's,^,local/,'
			printf '%s\n' @MODELS@
		} | sort -u
		;;
	esac 2>/dev/null
	return 0
}
