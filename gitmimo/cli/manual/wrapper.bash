__mimo_git () {
	if declare -F __git >/dev/null; then
		__git "$@" # git's own helper knows of -C and --git-dir on the command line
	else
		git "$@"
	fi
}

# Called by git's completion for `git mimo`, with cur, words and cword set, and by _mimo below.
_git_mimo () {
	local first=${__git_cmd_idx-} line word prefix=
	if [ -z "$first" ]; then
		for ((first = 1; first < cword; first++)); do
			[ "${words[first]}" = mimo ] && break
		done
	fi
	local current=$cur
	case $cur in
	--*=*) current=${cur#*=} ;;
	esac
	case $COMP_WORDBREAKS in
	*:*) prefix=${current%"${current##*:}"} ;;
	esac
	COMPREPLY=()
	while IFS= read -r line; do
		if [ "$line" = :files ]; then
			compopt -o filenames +o nospace 2>/dev/null
			while IFS= read -r word; do
				COMPREPLY+=("$word")
			done < <(compgen -f -- "$current")
			return 0
		fi
		word=${line%%$'\t'*}
		[[ $word == "$current"* ]] && COMPREPLY+=("${word#"$prefix"} ")
	done < <(__mimo_complete "${words[@]:first+1:cword-first-1}" "$cur")
	return 0
}

_mimo () {
	local cur words cword __git_cmd_idx=0
	if declare -F _get_comp_words_by_ref >/dev/null; then
		_get_comp_words_by_ref -n =: cur words cword
	else
		words=("${COMP_WORDS[@]}")
		cword=$COMP_CWORD
		cur=${COMP_WORDS[COMP_CWORD]}
		if [ "$cur" = = ]; then
			cur="${words[cword - 1]}="
		elif [ "${words[cword - 1]-}" = = ]; then
			cur="${words[cword - 2]}=$cur"
		fi
	fi
	_git_mimo
}

complete -o bashdefault -o default -o nospace -F _mimo git-mimo mimo
